"""Accounts behave like a model of them: what a session, a token and a password are good for, and for how long."""

from __future__ import annotations

import contextlib

import httpx
import pytest
from browser import PASSWORD, Browser
from exploring import LENGTHS, Length, explore
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.stacks import Stack

PASSWORDS = [PASSWORD, "another long password", "🎸 guitars and drums"]
NO_TOKEN = "00000000-0000-4000-8000-000000000000"
WINDOWS = st.sampled_from([0, 1])
_FREE_GUESSES = 4  # further ones must wait


class AccountMachine(RuleBasedStateMachine):
    """One new account in two browsers and in scripts, and an administrator."""

    tokens = Bundle("tokens")

    def __init__(self, stack: Stack, admin: httpx.Client) -> None:
        super().__init__()
        self.opened = contextlib.ExitStack()
        self.admin = admin
        self.script = self.opened.enter_context(httpx.Client(base_url=stack.base_url, timeout=60))
        first = self.opened.enter_context(Browser(stack.base_url))
        self.windows = [first, self.opened.enter_context(Browser(stack.base_url, first.email))]
        assert first.register().status_code == 302
        self.email = first.email
        (user,) = admin.get("/api/admin/users", params={"search": self.email}).json()["data"]
        self.path = f"/api/admin/users/{user['id']}"
        # The model
        self.password = PASSWORD
        self.active = True
        self.logged_in = [False, False]
        self.stolen = ["", ""]
        self.names: dict[str, str] = {}  # of valid tokens, by secret
        self.ids: dict[str, str] = {}
        self.guesses = 0

    def teardown(self) -> None:
        self.opened.close()

    @initialize(target=tokens)
    def begin(self) -> str:
        """Log in everywhere, so that the first steps have something to end."""
        for window in (0, 1):
            self.log_in(window)
        return self.create_token("first")

    @rule(window=WINDOWS)
    def log_in(self, window: int) -> None:
        if self.logged_in[window]:
            return  # the page redirects
        self.windows[window].cookies.clear()
        answer = self.windows[window].log_in(password=self.password)
        assert answer.status_code == (302 if self.active else 403), answer.text
        self.logged_in[window] = self.active
        self.guesses = 0

    @precondition(lambda self: self.guesses < _FREE_GUESSES)
    @rule(wrong=st.sampled_from([*PASSWORDS, "wrong password"]))
    def guess(self, wrong: str) -> None:
        if wrong == self.password:
            return
        answer = self.script.post("/api/tokens", json={"email": self.email, "password": wrong})
        assert (answer.status_code, answer.json()["code"]) == (401, "CREDENTIALS_INVALID")
        self.guesses += 1

    @rule(window=WINDOWS)
    def log_out(self, window: int) -> None:
        answer = self.windows[window].submit("DELETE", "/users/log-out")
        assert answer.status_code == 302
        self.logged_in[window] = False

    @rule(target=tokens, name=st.sampled_from(["script", "<b>", "🎸"]))
    def create_token(self, name: str) -> str:
        wanted = {"email": self.email, "password": self.password, "name": name}
        answer = self.script.post("/api/tokens", json=wanted)
        self.guesses = 0
        if not self.active:
            assert (answer.status_code, answer.json()["code"]) == (403, "ACCOUNT_SUSPENDED")
            return "none"
        assert answer.status_code == 201, answer.text
        token = answer.json()["data"]
        secret = str(token["token"])
        assert secret not in self.ids
        self.names[secret], self.ids[secret] = name, token["id"]
        return secret

    @rule(token=tokens, by=tokens)
    def revoke_token(self, token: str, by: str) -> None:
        token_id = self.ids.get(token, NO_TOKEN)
        answer = self.script.delete(f"/api/tokens/{token_id}", headers=_bearer(by))
        if by in self.names and self.active:
            assert answer.status_code == (204 if token in self.names else 404)
            self.names.pop(token, None)
        else:
            assert answer.status_code == (403 if by in self.names else 401)

    @rule(window=WINDOWS, new=st.sampled_from(PASSWORDS), everywhere=st.booleans())
    def change_password(self, window: int, new: str, everywhere: bool) -> None:
        fields = {"action": "update_password", "user[password]": new, "user[password_confirmation]": new}
        fields |= {"revoke_keys": "true"} if everywhere else {}
        answer = self.windows[window].submit("PUT", "/users/settings", fields)
        assert answer.status_code == 302, answer.text
        if not self.logged_in[window]:
            assert answer.headers["location"].startswith("/users/log-in")
            return
        assert answer.headers["location"] == "/users/settings"
        self.password = new
        self.logged_in = [number == window for number in (0, 1)]
        if everywhere:
            self.names.clear()

    @precondition(lambda self: self.active and any(self.logged_in))
    @rule(status=st.sampled_from(["suspended", "banned"]))
    def suspend(self, status: str) -> None:
        self._moderate(status)

    @precondition(lambda self: not self.active)
    @rule()
    def reinstate(self) -> None:
        self._moderate("active")

    def _moderate(self, status: str) -> None:
        answer = self.admin.patch(self.path, json={"status": status})
        assert answer.json()["data"]["status"] == status
        self.active = status == "active"
        if not self.active:
            self.logged_in = [False, False]

    @invariant()
    def credentials_are_worth_what_the_model_says(self) -> None:
        for secret in [*self.ids, "x" * 43]:
            # Requests that change something look the token up; others may use what is remembered of it.
            answer = self.script.delete(f"/api/tokens/{NO_TOKEN}", headers=_bearer(secret))
            valid = secret in self.names
            assert answer.status_code == ((404 if self.active else 403) if valid else 401), secret
            if answer.status_code == 404:
                answer = self.script.get("/api/tokens", headers=_bearer(secret))
                expected = [(self.ids[secret], name) for secret, name in reversed(self.names.items())]
                assert [(token["id"], token["name"]) for token in answer.json()["data"]] == expected
        for number, (window, logged_in) in enumerate(zip(self.windows, self.logged_in, strict=True)):
            if logged_in:
                self.stolen[number] = _cookies_of(window)
            # A refusal clears the cookies of a browser. A thief keeps a copy of them.
            copy = self.script.get("/api/tokens", headers={"Cookie": self.stolen[number]})
            for answer in (copy, window.get("/api/tokens")):
                assert (answer.status_code == 200) == logged_in, answer.text
                assert answer.status_code in (200, 401, 403)


def _cookies_of(browser: Browser) -> str:
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies.jar)


def _bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.mark.usefixtures("nothing_crashes")
@pytest.mark.parametrize("length", LENGTHS)
def test_accounts_behave_like_their_model(stack: Stack, admin: httpx.Client, length: Length) -> None:
    explore(lambda: AccountMachine(stack, admin), length)
