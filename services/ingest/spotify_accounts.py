"""What Spotify's users give leave to, through authlib (OAuth 2.0, RFC 6749: authorization code with PKCE, RFC 7636).

Everything here but :meth:`SpotifyAccounts.begin` blocks: callers run it in threads.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests
from authlib.common.security import generate_token  # type: ignore[import-untyped]
from authlib.integrations.requests_client import OAuth2Session, OAuthError  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kit.errors import AppError, Code
from kit.ports import Clock
from services.ingest.songs import one_line
from services.ingest.spotify import (
    accounts_base,
    api_base,
    credentials_missing,
    credentials_refused,
    is_credential_error,
    spotify_failure,
)

__all__ = ["LeaveEnded", "Profile", "SpotifyAccounts", "UserToken"]

_SCOPES = "playlist-read-private user-library-read user-read-private user-read-email"
_STATE_CHARS = 43
_VERIFIER_CHARS = 64  # RFC 7636 asks for 43 to 128
_LIFETIME_SECONDS = 3600.0


class LeaveEnded(Exception):
    """The user has taken back what they had given leave to, or it has expired."""


@dataclass(frozen=True)
class UserToken:
    """One user's, for a while. ``expire_time`` is in seconds since 1970; an empty ``refresh_token`` renews nothing."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expire_time: float

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def from_json(text: str) -> UserToken | None:
        """None for the empty text, which stands for leave that has ended."""
        return UserToken(**json.loads(text)) if text else None


class _TokenAnswer(BaseModel):
    model_config = ConfigDict(strict=True)

    access_token: str = Field(min_length=1)
    refresh_token: str | None = None
    expires_in: float = Field(_LIFETIME_SECONDS, ge=0, allow_inf_nan=False)


class _User(BaseModel):
    model_config = ConfigDict(strict=True)

    id: str = Field(pattern=r"^[!-~]{1,200}$")
    display_name: str | None = None
    email: str | None = None


@dataclass(frozen=True)
class Profile:
    """A user of Spotify's. ``email`` is empty where Spotify does not tell it, and nobody has verified it."""

    subject: str
    label: str
    email: str


class SpotifyAccounts:
    """Asks users for leave, and turns it into tokens.

    Args:
        client_id, client_secret: of the application; empty: every call is refused with ``SPOTIFY_UNAUTHORIZED``.
        accounts_url, api_url: as of :class:`services.ingest.spotify.SpotifyCatalog`.
        timeout_seconds: for one request.
    """

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        accounts_url: str,
        api_url: str,
        timeout_seconds: float,
        clock: Clock,
    ) -> None:
        self._client_id = client_id
        self._client_secret = client_secret
        self._accounts_url = accounts_base(accounts_url)
        self._api_url = api_base(api_url)
        self._timeout_seconds = timeout_seconds
        self._clock = clock

    def begin(self, redirect_uri: str) -> tuple[str, str, str]:
        """Where to send a browser to, the state that it comes back with, and the code verifier to keep meanwhile.

        Raises:
            AppError: ``SPOTIFY_UNAUTHORIZED``.
        """
        verifier = generate_token(_VERIFIER_CHARS)
        with self._session(redirect_uri=redirect_uri, scope=_SCOPES, code_challenge_method="S256") as session:
            url, state = session.create_authorization_url(
                f"{self._accounts_url}/authorize", state=generate_token(_STATE_CHARS), code_verifier=verifier
            )
        return url, state, verifier

    def finish(self, redirect_uri: str, code: str, code_verifier: str) -> tuple[Profile, UserToken]:
        """Who came back with ``code``, and the token that it is worth.

        Raises:
            AppError: ``SPOTIFY_DENIED`` for a code that is not worth any, or a user whom Spotify does not let in here;
                ``SPOTIFY_UNAUTHORIZED``, ``SPOTIFY_ERROR``.
        """
        with self._session(redirect_uri=redirect_uri) as session:
            try:
                token = self._token(
                    lambda: session.fetch_token(self._token_url, code=code, code_verifier=code_verifier)
                )
            except LeaveEnded:
                raise AppError(
                    Code.PERMISSION_DENIED,
                    "SPOTIFY_DENIED",
                    "Spotify does not know this login any more. Start it once more.",
                ) from None
            return self._profile(session), token

    def refresh(self, token: UserToken) -> UserToken:
        """
        Raises:
            LeaveEnded: there will be no more of them.
            AppError: ``SPOTIFY_UNAUTHORIZED``, ``SPOTIFY_ERROR``.
        """
        if not token.refresh_token:
            raise LeaveEnded
        with self._session() as session:
            renewed = self._token(lambda: session.refresh_token(self._token_url, refresh_token=token.refresh_token))
        # Spotify gives another refresh token only now and then.
        return dataclasses.replace(renewed, refresh_token=renewed.refresh_token or token.refresh_token)

    @property
    def _token_url(self) -> str:
        return f"{self._accounts_url}/api/token"

    def _session(self, **options: Any) -> OAuth2Session:
        if not (self._client_id and self._client_secret):
            raise credentials_missing()
        session = OAuth2Session(
            self._client_id, self._client_secret, default_timeout=self._timeout_seconds, leeway=0, **options
        )
        session.trust_env = False  # a .netrc would replace the token
        session.max_redirects = 0  # a code or token is for this address alone
        return session

    def _token(self, ask: Callable[[], Any]) -> UserToken:
        try:
            answer = _TokenAnswer.model_validate(ask())
        except OAuthError as error:
            if error.error == "invalid_grant":
                raise LeaveEnded from None
            if is_credential_error(error.error):
                raise credentials_refused(error) from None
            raise spotify_failure(0) from None
        except (requests.exceptions.RequestException, ValueError, TypeError, OverflowError):
            raise spotify_failure(0) from None
        return UserToken(answer.access_token, answer.refresh_token or "", self._clock.now() + answer.expires_in)

    def _profile(self, session: OAuth2Session) -> Profile:
        try:
            answer = session.get(f"{self._api_url}/me")
            if answer.status_code == requests.codes.forbidden:
                raise AppError(
                    Code.PERMISSION_DENIED,
                    "SPOTIFY_DENIED",
                    "Spotify does not let this account use the application of this installation. Ask the operator to "
                    "add it.",
                )
            if not answer.ok:
                raise spotify_failure(answer.status_code)
            user = _User.model_validate_json(answer.content)
        except (requests.exceptions.RequestException, OAuthError, ValidationError):
            raise spotify_failure(0) from None
        return Profile(user.id, one_line(user.display_name or "") or user.id, user.email or "")
