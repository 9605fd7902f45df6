"""A browser without a screen: it keeps cookies, and fills in forms with the token that the page gave it."""

import re
import uuid

import httpx

PASSWORD = "correct horse battery"
GUEST = "/api/users/guest"


def csrf_token(client: httpx.Client) -> str:
    """The token against forgery in a page that a client is given now."""
    (token,) = re.findall(
        r'<meta name="csrf-token" content="([^"]+)">', client.get("/studio", follow_redirects=True).text
    )
    return str(token)


class Browser(httpx.Client):
    """Follows no redirects, so that tests see them."""

    def __init__(self, base_url: str, email: str = "") -> None:
        super().__init__(base_url=base_url, timeout=60)
        self.email = email or f"{uuid.uuid4()}@example.org"

    def token(self) -> str:
        """The token against forgery that pages hold for this browser now."""
        return csrf_token(self)

    def submit(self, method: str, path: str, fields: dict[str, str] | None = None) -> httpx.Response:
        """Send a form of a page that was loaded just now."""
        return self.request(method, path, data={"_csrf_token": self.token(), **(fields or {})})

    def register(self, password: str = PASSWORD, again: str | None = None) -> httpx.Response:
        fields = {"user[email]": self.email, "user[password]": password}
        fields["user[password_confirmation]"] = password if again is None else again
        return self.submit("POST", "/users/register", fields)

    def log_in(self, password: str = PASSWORD, path: str = "/users/log-in", **fields: str) -> httpx.Response:
        return self.submit("POST", path, {"user[email]": self.email, "user[password]": password, **fields})


def registered(browser: Browser) -> None:
    """Make an account and log in."""
    assert browser.register().status_code == 302
    assert browser.log_in().status_code == 302


def token_of(browser: Browser) -> str:
    answer = browser.post("/api/tokens", json={"email": browser.email, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["token"])


def become_guest(browser: Browser) -> str:
    """Become a guest, send the CSRF token of its session from now on, and return the ID of the account."""
    answer = browser.post(GUEST, headers={"X-CSRF-Token": browser.token()})
    assert answer.status_code == 201, answer.text
    browser.headers["X-CSRF-Token"] = answer.json()["data"]["csrf_token"]
    return str(answer.json()["data"]["id"])
