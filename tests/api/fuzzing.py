"""What fuzzing needs: callers with credentials for each operation, and a judge of answers."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
import hypothesis
import requests
import schemathesis
from browser import Browser, registered, token_of
from published import Document

# What an answer never holds: a stack trace, a source path, a file of the host, an address of a component.
SECRETS = ("Traceback (most", 'File "/', "/site-packages/", "root:x:0:0", "/blobs/", "unix:/", "[Errno")
# The server errors that belong to the contract: docs/ERRORS.md says when. INTERNAL is none of them.
CONTRACT_CODES = {
    "QUEUE_FULL", "spotify_error", "unauthorized", "LALALAI_NOT_CONFIGURED", "LALALAI_UNAUTHORIZED", "LALALAI_ERROR",
    "MODEL_UNAVAILABLE",
}  # fmt: skip
SERVER_CODES = {"MALFORMED_REQUEST", "URL_TOO_LONG", "HEADERS_TOO_LARGE"}


class Callers:
    """An anonymous caller, and an account with a token for APIs and a session for pages."""

    names = ("anonymous", "signed in")

    def __init__(self, base_url: str, admin_token: str) -> None:
        self.visitor, self.browser = Browser(base_url), Browser(base_url)
        registered(self.browser)
        self.token, self.admin_token = token_of(self.browser), admin_token

    def headers(self, name: str, route: str, operation: dict[str, Any]) -> dict[str, str]:
        """Return the credentials that an operation asks for. Only routes of administrators get theirs."""
        accepted = {scheme for each in operation["security"] for scheme in each}
        if "bearer" in accepted:
            token = self.admin_token if " /api/admin/" in route else self.token
            return {"Authorization": f"Bearer {token}"} if name == "signed in" else {}
        if not accepted & {"session", "visit"}:
            return {}
        browser = self.browser if name == "signed in" else self.visitor
        proof = {"X-CSRF-Token": self._csrf_token(browser)} if "csrf" in accepted else {}
        return {"Cookie": "; ".join(f"{key}={value}" for key, value in browser.cookies.items()), **proof}

    def _csrf_token(self, browser: Browser) -> str:
        if browser is self.browser and browser.email not in browser.get("/studio").text:
            browser.log_in()  # a request before has logged it out
        return browser.token()

    def close(self) -> None:
        self.visitor.close()
        self.browser.close()


def found_in(document: Document, route: str | None, answer: httpx.Response) -> list[str]:
    """Return what is wrong with an answer: a promise that it breaks, an unexpected server error, or a secret.

    Args:
        route: the route that the request reached; None: a path or method without one.
    """
    found = [f"it shows {secret}" for secret in SECRETS if _is_text(answer) and secret in answer.text]
    if _before_routes(answer):
        return found
    if route is None:
        return found + ([] if _is_no_route(answer) else [f"{answer.status_code} without a route: {answer.text[:200]}"])
    found += document.broken_promises(route, answer)
    if answer.status_code >= 500 and not _in_contract(route, answer):
        found.append(f"a server error: {answer.text[:200]}")
    return found


def _is_text(answer: httpx.Response) -> bool:
    return not answer.headers.get("content-type", "").startswith(("audio/", "image/"))


def _before_routes(answer: httpx.Response) -> bool:
    """Whether the HTTP server refused the request. The document describes what comes after it; docs/ERRORS.md has both."""
    refusal = answer.status_code in (400, 414, 431) and _json(answer)
    return refusal and answer.json().get("code") in SERVER_CODES


def _is_no_route(answer: httpx.Response) -> bool:
    """Whether the answer may be that to a path without a route. Paths with control characters are refused before a route is found."""
    is_refused_path = answer.status_code == 400 and "The path contains control characters" in answer.text
    return answer.status_code in (401, 403, 404, 405) or is_refused_path


def _json(answer: httpx.Response) -> bool:
    return "json" in answer.headers.get("content-type", "")


def _in_contract(route: str, answer: httpx.Response) -> bool:
    if route == "POST /process" and answer.status_code == 500:
        return "Unsupported audio format:" in answer.text
    return answer.status_code == 503 and _json(answer) and answer.json().get("code") in CONTRACT_CODES


def belongings_of(callers: Callers, base_url: str, song: bytes, webhook_url: str) -> dict[str, str]:
    """Return values of path parameters that name something of the account's; it has no other objects."""
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {callers.token}"}, timeout=60) as client:
        track = client.post("/api/tracks", files={"file": ("song.wav", song)}).json()["data"]
        wish = {"track_id": track["id"], "features": ["tempo"]}
        job = client.post("/api/analysis/analyze", json=wish).json()["data"]["job_id"]
        playlist = client.post("/api/playlists", json={"name": "Rainy days"}).json()["id"]
        clip = client.post("/generate", json={"prompt": "slow cello", "duration": 1}).json()["job_id"]
        chat = client.post("/api/agents/chat", json={"message": "Hello"}).json()["data"]["conversation_id"]
        webhook = client.post("/api/webhooks", json={"url": webhook_url}).json()["data"]["id"]
    return {
        "track_id": track["id"], "job_id": job, "playlist_id": playlist, "gen_id": clip, "conversation_id": chat,
        "webhook_id": webhook, "path": track["file_path"].removeprefix("/files/"), "filename": f"{clip}.wav",
        "audio_filename": f"{clip}.wav", "model": "music", "name": "vocals", "track_name": "vocals", "stem_type": "vocals",
        **{name: str(uuid.uuid4()) for name in ("token_id", "upload_id", "user_id", "delivery_id", "stem_id")},
    }  # fmt: skip


def fuzz(
    base_url: str, document: Document, callers: Callers, belongings: Mapping[str, str], count: int, seed: int
) -> tuple[int, list[str]]:
    """Send at least ``count`` requests that Schemathesis makes from the document; half of them are invalid on purpose.

    If the document has more operations than that, a part of them is called.

    Returns:
        How many requests were sent, and what was wrong with the answers.
    """
    schema = schemathesis.openapi.from_dict(document.tree, config=_config())
    operations = [each.ok() for each in schema.get_all_operations()]
    operations = operations[:: max(1, len(operations) // count)]
    session = requests.Session()
    session.trust_env = False
    sent, found = 0, []
    known = {name: quote(value) for name, value in belongings.items()}
    kinds = list(itertools.product(callers.names, schemathesis.GenerationMode, ({}, known)))
    case_count = 1 if count < 1000 else 8
    while sent < count:
        for number, operation in enumerate(operations):
            route = f"{operation.method.upper()} {operation.path}"
            # Each operation gets another kind of request than the one before, so that also a short run has all kinds.
            name, mode, fixed = kinds[(number + seed) % len(kinds)]
            headers = callers.headers(name, route, document.operations[route])
            for case in _cases(operation, mode, fixed, case_count, seed):
                answer = case.call(
                    base_url=base_url, session=session, headers=headers, allow_redirects=False, timeout=60
                )
                sent += 1
                problems = found_in(document, route, _plain(answer))
                found += [f"{route} ({name}, {mode.value}): {each}; {case.as_curl_command()}" for each in problems]
        seed += 1
    return sent, found


def _config() -> schemathesis.Config:
    config = schemathesis.Config()
    config.projects.default.generation.with_security_parameters = False
    return config


def _plain(answer: Any) -> httpx.Response:
    headers = [(name, value) for name, values in answer.headers.items() for value in values]
    kept = [(name, value) for name, value in headers if name.lower() != "content-encoding"]
    return httpx.Response(answer.status_code, headers=kept, content=answer.content)


def _cases(operation: Any, mode: Any, fixed: Mapping[str, str], count: int, seed: int) -> list[schemathesis.Case]:
    """Return examples of requests. Hypothesis does not run them, because one failure must not hide the others."""
    names = {parameter.name for parameter in operation.path_parameters}
    cases: list[schemathesis.Case] = []
    own = {name: value for name, value in fixed.items() if name in names} or None
    try:
        strategy = operation.as_strategy(generation_mode=mode, path_parameters=own)

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=count,
            phases=[hypothesis.Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(strategy)
        def collect(case: schemathesis.Case) -> None:
            cases.append(case)

        collect()
    except hypothesis.errors.Unsatisfiable:  # an operation without input has no invalid request
        pass
    return cases
