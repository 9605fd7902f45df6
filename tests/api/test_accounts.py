"""Identity in browsers: registering, logging in, looking after their account, and what is refused on the way."""

import io
import json
import re
import uuid
import zipfile
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser

import httpx
import pytest
from browser import PASSWORD, Browser, registered, token_of
from stories import ANALYSE, encoded, made, separated, song, started, upload

from tests.simulators.webhook_receiver import WebhookReceiver
from tests.stacks import Stack
from tests.waiting import eventually

SESSION = "soundwright_session"
VISIT = "soundwright_visit"


def eventually_answers(status: int, url: str, headers: dict[str, str]) -> None:
    """Wait until all gateways answer with this status: a token that only reads is remembered for half a second."""
    eventually(lambda: all(httpx.get(url, headers=headers).status_code == status for _ in range(2)))


def cookie(session: str) -> dict[str, str]:
    return {"Cookie": f"{SESSION}={session}"}


def mails(stack: Stack, recipient: str, kind: str) -> list[EmailMessage]:
    parsed = []
    for path in stack.emails(f"*-{kind}.eml"):
        message = message_from_bytes(path.read_bytes(), policy=policy.default)
        assert isinstance(message, EmailMessage)
        if message["To"] == recipient:
            parsed.append(message)
    return parsed


def link_to(stack: Stack, recipient: str, kind: str, count: int = 1) -> str:
    """The path of the link in the latest of so many mails."""
    eventually(lambda: len(mails(stack, recipient, kind)) >= count)
    (url,) = re.findall(r"https?://\S+", mails(stack, recipient, kind)[-1].get_content())
    assert url.startswith(stack.base_url)
    return str(url.removeprefix(stack.base_url))


# ------------------------------------------------------------------------------------------------------ in and out


@pytest.mark.topology("cluster")
def test_somebody_registers_logs_in_and_out(stack: Stack, browser: Browser) -> None:
    page = browser.get("/users/register")
    assert page.status_code == 200
    answer = browser.register()
    assert (answer.status_code, answer.headers["location"]) == (302, "/users/log-in")
    assert "You can log in now" in browser.get("/users/log-in").text
    assert "You can log in now" not in browser.get("/users/log-in").text  # a word is said once
    answer = browser.log_in()
    assert (answer.status_code, answer.headers["location"]) == (302, "/")
    assert browser.email in browser.get("/studio").text
    assert browser.get("/api/tracks").json()["data"] == []
    assert browser.get("/users/log-in").headers["location"] == "/"  # who is in, is in
    stolen = browser.cookies[SESSION]
    answer = browser.submit("POST", "/users/log-out", {"_method": "delete"})
    assert (answer.status_code, answer.headers["location"]) == (302, "/users/log-in")
    assert browser.cookies.get(SESSION) is None
    assert browser.get("/api/tracks").status_code == 401
    assert httpx.get(f"{stack.base_url}/api/tracks", headers=cookie(stolen)).status_code == 401


def test_cookies_are_out_of_reach_and_last_if_wished(browser: Browser) -> None:
    browser.register()
    for wish, more in (({}, set()), ({"user[remember_me]": "true"}, {"Max-Age=1209600"})):
        browser.cookies.clear()
        answer = browser.log_in(**wish)
        (cookie,) = [value for value in answer.headers.get_list("set-cookie") if value.startswith(SESSION)]
        parts = cookie.split("; ")
        assert re.fullmatch(SESSION + r"=[A-Za-z0-9_-]{43}", parts[0])
        assert set(parts[1:]) == {"Path=/", "HttpOnly", "SameSite=lax"} | more


def test_login_gives_a_session_that_nobody_chose(browser: Browser, stack: Stack) -> None:
    """Fixation: what was in the browser before is worth nothing afterwards."""
    browser.register()
    browser.get("/users/log-in")
    browser.cookies.set(SESSION, "A" * 43, domain="127.0.0.1")
    visit = browser.cookies[VISIT]
    browser.log_in()
    session = browser.cookies[SESSION]
    assert session not in ("A" * 43, visit)
    for planted in ("A" * 43, visit):
        assert httpx.get(f"{stack.base_url}/api/tracks", headers=cookie(planted)).status_code == 401
    with Browser(stack.base_url) as other:
        registered(other)
        before = other.cookies[SESSION]
        browser.cookies.clear()
        browser.cookies.set(SESSION, before, domain="127.0.0.1")  # somebody else's session is in the browser
        browser.submit("POST", "/users/log-in", {"user[email]": browser.email, "user[password]": PASSWORD})
        assert browser.cookies[SESSION] != before
        assert httpx.get(f"{stack.base_url}/api/tracks", headers=cookie(before)).status_code == 401


def test_after_login_one_is_back_where_one_was(browser: Browser) -> None:
    answer = browser.get("/users/settings")
    assert answer.status_code == 302
    assert answer.headers["location"] == "/users/log-in?return_to=%2Fusers%2Fsettings"
    assert "You must log in to access this page." in browser.get(answer.headers["location"]).text
    browser.register()
    assert browser.log_in(return_to="/users/settings").headers["location"] == "/users/settings"
    for evil in (
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/a\r\nset-cookie: x=y",
    ):
        browser.cookies.clear()
        assert browser.log_in(return_to=evil).headers["location"] == "/", evil


# ------------------------------------------------------------------------------------------------------- enumeration


def plain(answer: httpx.Response) -> tuple[int, str, dict[str, str]]:
    """An answer without what differs from one to the next anyway."""
    hide = re.compile(r"[A-Za-z0-9_-]{43}|[0-9a-f-]{36}@example\.org|x-request-id.*")
    headers = {k: hide.sub("*", v) for k, v in answer.headers.items() if k not in ("date", "x-request-id")}
    headers = {k: v for k, v in headers.items() if not k.startswith("x-ratelimit")}
    return answer.status_code, hide.sub("*", answer.text), headers


def test_nobody_learns_who_has_an_account(stack: Stack, browser: Browser) -> None:
    browser.register()
    known, unknown = browser.email, f"{uuid.uuid4()}@example.org"
    answers = {}
    for email in (known, unknown):
        with Browser(stack.base_url, email) as asking:
            answers[email] = [
                plain(asking.log_in(password="not the password")),
                plain(asking.submit("POST", "/users/log-in", {"user[email]": email})),
                plain(asking.get("/users/log-in")),
                plain(asking.register()),
                plain(asking.get("/users/log-in")),
                plain(asking.post("/api/tokens", json={"email": email, "password": "not the password"})),
            ]
    assert answers[known] == answers[unknown]
    assert [status for status, _, _ in answers[known]] == [200, 302, 200, 302, 200, 401]
    assert "Invalid email or password" in answers[known][0][1]


# ----------------------------------------------------------------------------------------------------------- settings


def test_keys_are_shown_once_and_work_until_revoked(ann: Browser) -> None:
    forever = ann.submit("POST", "/users/settings", {"action": "create_key", "name": "laptop", "lifetime": "week"})
    assert forever.status_code == 400
    page = ann.submit("POST", "/users/settings", {"action": "create_key", "name": "<b>laptop</b>"})
    (secret,) = re.findall(r'id="secret">([A-Za-z0-9_-]{43})<', page.text)
    assert "<b>" not in page.text
    again = ann.get("/users/settings").text
    assert secret not in again
    assert "&lt;b&gt;laptop&lt;/b&gt;" in again
    assert f"{secret[:6]}…" in again
    headers = {"Authorization": f"Bearer {secret}"}
    assert httpx.get(f"{ann.base_url}/api/tracks", headers=headers).status_code == 200
    (listed,) = ann.get("/api/tokens").json()["data"]
    assert (listed["name"], listed["prefix"]) == ("<b>laptop</b>", secret[:6])
    assert listed["last_used_at"] is not None
    assert ann.submit("POST", "/users/settings", {"action": "revoke_key", "id": listed["id"]}).status_code == 302
    eventually_answers(401, f"{ann.base_url}/api/tracks", headers)
    assert ann.get("/api/tokens").json()["data"] == []


def test_a_script_gets_a_token_with_email_and_password(ann: Browser) -> None:
    with httpx.Client(base_url=ann.base_url) as script:
        given = script.post("/api/tokens", json={"email": ann.email, "password": PASSWORD, "name": "cron"})
        assert given.status_code == 201
        token = given.json()["data"]
        assert (token["name"], token["prefix"]) == ("cron", token["token"][:6])
        script.headers["Authorization"] = f"Bearer {token['token']}"
        assert [key["name"] for key in script.get("/api/tokens").json()["data"]] == ["cron"]
        assert script.delete(f"/api/tokens/{token['id']}").status_code == 204
        eventually_answers(401, f"{ann.base_url}/api/tokens", dict(script.headers))
        del script.headers["Authorization"]
        wrong = script.post("/api/tokens", json={"email": ann.email, "password": PASSWORD + "x"})
        assert (wrong.status_code, wrong.json()["code"]) == (401, "CREDENTIALS_INVALID")


@pytest.mark.topology("cluster")
def test_a_new_password_logs_out_everybody_else(stack: Stack, ann: Browser) -> None:
    token = ann.post("/api/tokens", json={"email": ann.email, "password": PASSWORD}).json()["data"]["token"]
    with Browser(stack.base_url, ann.email) as elsewhere:
        elsewhere.log_in()
        assert elsewhere.get("/api/tracks").status_code == 200
        before = ann.cookies[SESSION]
        fields = {"action": "update_password", "user[password]": "a better password", "revoke_keys": "true"}
        wrong = ann.submit("PUT", "/users/settings", {**fields, "user[password_confirmation]": "another password"})
        assert (wrong.status_code, "does not match password" in wrong.text) == (200, True)
        changed = ann.submit("PUT", "/users/settings", {**fields, "user[password_confirmation]": "a better password"})
        assert (changed.status_code, changed.headers["location"]) == (302, "/users/settings")
        assert ann.cookies[SESSION] != before
        assert "Your password was changed." in ann.get("/users/settings").text
        assert elsewhere.get("/api/tracks").status_code == 401
        assert httpx.get(f"{stack.base_url}/api/tracks", headers=cookie(before)).status_code == 401
        bearer = {"Authorization": f"Bearer {token}"}
        eventually_answers(401, f"{stack.base_url}/api/tracks", bearer)
        elsewhere.cookies.clear()
        assert "Invalid email or password" in elsewhere.log_in().text
        assert elsewhere.log_in(password="a better password").status_code == 302


@pytest.mark.topology("cluster")
def test_links_in_mails_confirm_log_in_and_change_the_address(stack: Stack, ann: Browser) -> None:
    assert "not confirmed yet" in ann.get("/users/settings").text
    path = link_to(stack, ann.email, "confirmation")
    assert "not confirmed yet" in (ann.get(path), ann.get("/users/settings"))[1].text  # to look is not to click
    assert ann.submit("POST", path).status_code == 302
    assert "Your email address is confirmed." in ann.get("/users/settings").text
    assert "not confirmed yet" not in ann.get("/users/settings").text
    with Browser(stack.base_url, ann.email) as elsewhere:
        assert elsewhere.submit("POST", "/users/log-in", {"user[email]": ann.email}).status_code == 302
        path = link_to(stack, ann.email, "login-link")
        secret = path.rpartition("/")[2]
        assert elsewhere.get(path).status_code == 200
        answer = elsewhere.submit("POST", "/users/log-in", {"user[token]": secret})
        assert (answer.status_code, answer.headers["location"]) == (302, "/")
        assert elsewhere.get("/api/tracks").status_code == 200
        elsewhere.cookies.clear()
        again = elsewhere.submit("POST", "/users/log-in", {"user[token]": secret})
        assert again.headers["location"] == "/users/log-in"
        assert "This link was already used" in elsewhere.get("/users/log-in").text
        assert elsewhere.get("/api/tracks").status_code == 401
    new = f"{uuid.uuid4()}@example.org"
    assert ann.submit("PUT", "/users/settings", {"action": "update_email", "user[email]": new}).status_code == 302
    ann.submit("POST", link_to(stack, new, "email-change"))
    assert new in ann.get("/users/settings").text
    log = stack.log()
    assert secret not in log
    assert "/users/log-in/[secret]" in log


# ---------------------------------------------------------------------------------------------------------- suspension


@pytest.mark.topology("cluster")
def test_who_is_suspended_is_refused_in_every_dialect_at_once(stack: Stack, ann: Browser, admin: httpx.Client) -> None:
    token = ann.post("/api/tokens", json={"email": ann.email, "password": PASSWORD}).json()["data"]["token"]
    bearer, session = {"Authorization": f"Bearer {token}"}, ann.cookies[SESSION]
    (user,) = admin.get("/api/admin/users", params={"search": ann.email}).json()["data"]
    assert (user["role"], user["status"], user["track_count"]) == ("user", "active", 0)
    paths = ["/api/tracks", "/files/x", "/api/library", "/queue-status", "/job/x"]
    for path in paths:
        assert httpx.get(stack.base_url + path, headers=bearer).status_code in (200, 404), path
    for status in ("suspended", "banned"):
        changed = admin.patch(f"/api/admin/users/{user['id']}", json={"status": status})
        assert changed.json()["data"]["status"] == status
        text = f"This account is {status}."
        eventually_answers(403, f"{stack.base_url}/api/tracks", bearer)
        forge = httpx.get(f"{stack.base_url}/api/tracks", headers=bearer)
        assert (forge.status_code, forge.json()["code"], forge.json()["error"]) == (403, "ACCOUNT_SUSPENDED", text)
        soundbox = httpx.get(f"{stack.soundbox_url}/api/library", headers=bearer)
        assert (soundbox.status_code, soundbox.json()) == (403, {"error": text})
        pipeline = httpx.get(f"{stack.pipeline_url}/job/x", headers=bearer)
        assert (pipeline.status_code, pipeline.json()) == (403, {"detail": text})
        by_session = httpx.get(f"{stack.base_url}/api/tracks", headers=cookie(session))
        assert (by_session.status_code, by_session.json()["code"]) == (403, "ACCOUNT_SUSPENDED")
        assert by_session.headers["set-cookie"].startswith(f'{SESSION}=""; ')  # another account can log in
        assert text in ann.get("/studio").text if status == "suspended" else ann.get("/studio").status_code == 200
        assert ann.log_in().status_code == 403
        refused = httpx.post(f"{stack.base_url}/api/tokens", json={"email": ann.email, "password": PASSWORD})
        assert (refused.status_code, refused.json()["code"]) == (403, "ACCOUNT_SUSPENDED")
    admin.patch(f"/api/admin/users/{user['id']}", json={"status": "active"})
    assert httpx.get(f"{stack.base_url}/api/tracks", headers=bearer).status_code == 200
    assert httpx.get(f"{stack.base_url}/api/tracks", headers=cookie(session)).status_code == 401  # it is over for good
    log = [e for e in admin.get("/api/admin/audit").json()["data"] if e["resource_id"] == user["id"]]
    assert {(e["action"], e["actor_email"]) for e in log} >= {("login", ann.email)}
    acts = [e for e in log if e["action"] not in ("register", "login")]
    own = admin.get("/api/admin/audit", params={"actor_id": user["id"]}).json()["data"]
    assert {"register", "login", "token_create"} <= {e["action"] for e in own}
    assert {e["ip_address"] for e in own} == {"127.0.0.1"}
    assert [(e["action"], e["changes"]["status"]["to"], e["actor_email"]) for e in acts] == [
        ("reactivate", "active", "admin@localhost"),
        ("ban", "banned", "admin@localhost"),
        ("suspend", "suspended", "admin@localhost"),
    ]


def test_administrators_see_everybodys_jobs(stack: Stack, ann: Browser, admin: httpx.Client) -> None:
    token = ann.post("/api/tokens", json={"email": ann.email, "password": PASSWORD}).json()["data"]["token"]
    with stack.client(token) as script:
        job_id = started(script, ANALYSE, upload(script, encoded(song(0.5)))["id"], features=["tempo"])
    overview = admin.get("/api/admin/jobs").json()
    (job,) = [job for job in overview["data"]["jobs"] if job["id"] == job_id]
    (user,) = admin.get("/api/admin/users", params={"search": ann.email}).json()["data"]
    assert (job["owner_id"], job["job_type"], user["track_count"]) == (user["id"], "analysis", 1)
    assert sum(overview["data"]["counts"]["analysis"].values()) >= 1
    assert overview["meta"]["total_count"] == sum(
        sum(states.values()) for states in overview["data"]["counts"].values()
    )
    assert ann.get("/api/admin/jobs").status_code == 403
    mine = {"owner_id": user["id"], "job_type": "analysis"}
    filtered = admin.get("/api/admin/jobs", params=mine).json()
    assert ([each["id"] for each in filtered["data"]["jobs"]], filtered["meta"]["total_count"]) == ([job_id], 1)
    assert admin.get("/api/admin/jobs", params=mine | {"job_type": "download"}).json()["data"]["jobs"] == []
    page = admin.get("/api/admin/jobs", params={"job_type": "analysis", "status": "completed"}).json()
    assert page["meta"]["total_count"] == page["data"]["counts"]["analysis"].get("completed", 0)
    assert {(each["job_type"], each["status"]) for each in page["data"]["jobs"]} <= {("analysis", "completed")}
    refused = admin.get("/api/admin/jobs", params={"status": "asleep"})
    assert (refused.status_code, list(refused.json()["details"])) == (422, ["status"])


def test_administrators_see_the_platform(admin: httpx.Client) -> None:
    upload(admin, encoded(song(0.5)))
    components = admin.get("/api/admin/components").json()["data"]["components"]
    names = ["library", "ingest", "separation", "analysis", "generation"]
    assert [(each["name"], each["ready"]) for each in components] == [(name, True) for name in names]
    storage = admin.get("/api/admin/storage").json()["data"]
    assert storage["used_bytes"] > 0
    assert storage["free_bytes"] is None or 0 < storage["free_bytes"] < storage["total_bytes"]
    models = {model["name"]: model for model in admin.get("/api/admin/models").json()["data"]}
    assert models["dsp"]["weights"] == "built_in"
    assert models["htdemucs"]["licence"]
    assert models["htdemucs"]["weights"] in ("missing", "failed")
    assert models["htdemucs"]["problem"].startswith("The weights of the model 'htdemucs' are not available")
    assert "scientific purposes only" in models["htdemucs"]["licence_note"]
    # Nobody has allowed these weights, and this server may not use the network.
    name = "mel-band-roformer-vocals"
    for model, needs_consent in (("htdemucs", True), (name, False)):
        assert models[model]["needs_consent"] is needs_consent
        fetched = admin.post(f"/api/admin/models/separation/{model}/fetch")
        assert fetched.status_code in (202, 503)  # 202 if it takes longer
        assert fetched.status_code == 202 or fetched.json()["code"] == "MODEL_UNAVAILABLE"

    def is_failed() -> bool:
        listed = admin.get("/api/admin/models").json()["data"]
        return next(each["weights"] for each in listed if each["name"] == name) == "failed"

    eventually(is_failed)
    unknown = admin.post("/api/admin/models/separation/opera/fetch")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "MODEL_UNKNOWN")


# --------------------------------------------------------------------------------------------------------------- pages


class Checked(HTMLParser):
    """What makes a page hard to use, or lets something in that is not ours."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.labels: set[str] = set()
        self.fields: set[str] = set()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.seen.append(tag)
        is_ours = tag == "script" and (values.get("src") or "").startswith("/assets/")  # which the policy permits
        is_foreign = tag in ("script", "style", "iframe") and not is_ours
        if is_foreign or any(name.startswith("on") or name == "style" for name in values):
            self.problems.append(f"{tag} {values}")
        if tag == "html" and values.get("lang") != "en":
            self.problems.append("no language")
        if tag == "label":
            self.labels.add(values.get("for") or "")
        if tag == "input" and values.get("type") != "hidden":
            self.fields.add(values.get("id") or "?")


@pytest.mark.parametrize("path", ["/users/register", "/users/log-in", "/users/settings", "/users/nowhere"])
def test_pages_are_safe_and_accessible(browser: Browser, path: str) -> None:
    if "settings" in path:
        registered(browser)
    answer = browser.get(path)
    assert answer.status_code == (404 if "nowhere" in path else 200)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy_parts = answer.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= {*policy_parts}
    assert "unsafe" not in answer.headers["content-security-policy"]
    page = Checked()
    page.feed(answer.text)
    assert page.problems == []
    assert page.fields <= page.labels
    assert (page.seen.count("h1"), page.seen.count("main"), page.seen.count("title")) == (1, 1, 1)


def test_the_stylesheet_is_public(stack: Stack) -> None:
    answer = httpx.get(f"{stack.base_url}/assets/style.css")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
    used, defined = (set(re.findall(pattern, answer.text)) for pattern in (r"var\((--[\w-]+)", r"(--[\w-]+): "))
    assert len(used) > 20
    assert used <= defined
    assert httpx.get(f"{stack.base_url}/assets/../routes.py").status_code == 404


# --------------------------------------------------------------------------------------------------------- leaving


def test_an_account_takes_its_data_and_leaves_nothing(
    stack: Stack, ann: Browser, other: httpx.Client, receiver: WebhookReceiver
) -> None:
    secret = token_of(ann)
    headers = {"X-CSRF-Token": ann.token()}
    key = "a1b2c3d4e5f6a7b8"
    recording = encoded(song(0.5))
    with stack.client(secret) as program:
        track = upload(program, recording, title="Blue Hour")
        separation = separated(program, track["id"])["id"]
        webhook = program.post("/api/webhooks", json={"url": receiver.url}).json()["data"]
        assert program.put("/api/lalalai/key", json={"api_key": key}).status_code == 200
        program.post("/api/agents/chat", json={"message": "Which key?", "track_id": track["id"]})
        clip = made(other, "slow cello")
        own = made(program, "fast cello")
        program.post(f"/api/library/{clip}/vote", json={"vote": 1})
        program.post(f"/api/favorites/{clip}")
        playlist = program.post("/api/playlists", json={"name": "Rainy days"}).json()["id"]
        program.post(f"/api/playlists/{playlist}/tracks", json={"generation_id": clip})
    theirs = upload(other, encoded(song(0.5)), title="Somebody else's")

    answer = ann.get("/api/users/me/export")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    told = {name: archive.read(name) for name in archive.namelist()}
    lists = {name: json.loads(content) for name, content in told.items() if name.endswith(".json")}
    assert lists["account.json"]["email"] == ann.email
    assert [each["url"] for each in lists["account.json"]["webhooks"]] == [receiver.url]
    assert [each["title"] for each in lists["tracks.json"]] == ["Blue Hour"]
    assert {each["job_type"] for each in lists["jobs.json"]} == {"processing", "generation"}
    assert [each["prompt"] for each in lists["clips.json"]] == ["fast cello"]
    assert [each["name"] for each in lists["playlists.json"]] == ["Rainy days"]
    assert [each["vote"] for each in lists["votes.json"]] == [1]
    assert len(lists["favorites.json"]) == 1
    assert [len(each["messages"]) for each in lists["conversations.json"]] == [2]
    folder = f"tracks/Blue Hour {track['id'][:8]}"
    assert told[f"{folder}/recording.wav"] == recording
    assert {f"{folder}/{stem}.flac" for stem in ("drums", "bass", "other", "vocals")} <= set(told)
    assert sum(name.startswith("clips/fast cello") for name in told) == 1
    everything = b"".join(told.values()).decode("latin1")
    for hidden in (secret, webhook["secret"], key, ann.cookies[SESSION], theirs["id"], "Somebody else"):
        assert hidden not in everything

    wrong = ann.request("DELETE", "/api/users/me", json={"current_password": "not the password"}, headers=headers)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "VALIDATION_ERROR")
    account_id = lists["account.json"]["id"]
    left = ann.request("DELETE", "/api/users/me", json={"current_password": PASSWORD}, headers=headers)
    assert left.status_code == 204
    assert ann.cookies.get(SESSION) is None
    eventually_answers(401, f"{stack.base_url}/api/tracks", {"Authorization": f"Bearer {secret}"})
    assert "Invalid email or password" in ann.log_in().text

    kept = ("audit", "deleted_accounts", "play_listeners")
    eventually(lambda: not stack.mentions(account_id, kept), "nothing is left of the account")
    assert not [key for key in stack.stored() if track["id"] in key or separation in key or uuid_of(own) in key]
    assert other.get(f"/api/library/{clip}").json()["upvotes"] == 0
    assert other.get(f"/api/tracks/{theirs['id']}").status_code == 200
    # The email address is free.
    assert ann.register().headers["location"] == "/users/log-in"
    assert ann.log_in().status_code == 302
    assert ann.get("/api/tracks").json()["data"] == []


def uuid_of(clip_id: str) -> str:
    return str(uuid.UUID(clip_id))
