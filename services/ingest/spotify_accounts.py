"""Authorization by Spotify users with authlib: OAuth 2.0 (RFC 6749), authorization code with PKCE (RFC 7636).

All methods except :meth:`SpotifyAccounts.begin` block. Callers run them in threads.
"""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests
from authlib.common.security import generate_token  # type: ignore[import-untyped]
from authlib.integrations.requests_client import OAuth2Session, OAuthError  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from soundwright.kit import errors
from soundwright.kit.ports import Clock
from soundwright.kit.text import one_line
from soundwright.services.ingest.spotify import (
    accounts_base,
    api_base,
    credentials_refused,
    is_credential_error,
    spotify_failure,
)

_SCOPES = "playlist-read-private user-library-read user-read-private user-read-email"
_STATE_CHARS = 43
_VERIFIER_CHARS = 64  # RFC 7636 allows 43 to 128
_LIFETIME_SECONDS = 3600.0


class AuthorizationRevoked(Exception):
    """The user has revoked the authorization, or it has expired."""


@dataclass(frozen=True)
class UserToken:
    """The tokens of a user. Times are in seconds since 1970. Without ``refresh_token``, they cannot be renewed.

    Attributes:
        renewing_until: until then, a call is renewing the tokens; 0: none is.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expire_time: float
    renewing_until: float = 0.0

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def from_json(text: str) -> "UserToken | None":
        """Parse the output of :meth:`to_json`. An empty text means a revoked authorization and returns None."""
        return UserToken(**json.loads(text)) if text else None


class _TokenResponse(BaseModel):
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
    """The profile of a Spotify user. ``email`` is unverified, and empty if Spotify does not return it."""

    subject: str
    label: str
    email: str


class SpotifyAccounts:
    """Requests authorization from users, and exchanges it for tokens."""

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
        """
        Args:
            client_id, client_secret: the credentials of the application. If empty, all calls raise
                ``SPOTIFY_UNAUTHORIZED``.
            accounts_url, api_url: see :class:`soundwright.services.ingest.spotify.SpotifyCatalog`.
        """
        self._client_id = client_id
        self._client_secret = client_secret
        self._accounts_url = accounts_base(accounts_url)
        self._api_url = api_base(api_url)
        self._timeout_seconds = timeout_seconds
        self._clock = clock

    def begin(self, redirect_uri: str) -> tuple[str, str, str]:
        """Start a login. Return the URL for the browser, the expected state, and the code verifier to keep.

        Raises ``SPOTIFY_UNAUTHORIZED``.
        """
        verifier = generate_token(_VERIFIER_CHARS)
        with self._session(redirect_uri=redirect_uri, scope=_SCOPES, code_challenge_method="S256") as session:
            url, state = session.create_authorization_url(
                f"{self._accounts_url}/authorize", state=generate_token(_STATE_CHARS), code_verifier=verifier
            )
        return url, state, verifier

    def finish(self, redirect_uri: str, code: str, code_verifier: str) -> tuple[Profile, UserToken]:
        """Exchange an authorization code for the profile and the tokens of the user.

        Raises ``SPOTIFY_DENIED`` if the code is invalid or the user may not use the application;
        ``SPOTIFY_UNAUTHORIZED``; ``SPOTIFY_ERROR``.
        """
        with self._session(redirect_uri=redirect_uri) as session:
            try:
                token = self._request_token(
                    lambda: session.fetch_token(self._token_url, code=code, code_verifier=code_verifier)
                )
            except AuthorizationRevoked:
                raise errors.SPOTIFY_DENIED() from None
            return self._profile(session), token

    def refresh(self, token: UserToken) -> UserToken:
        """Return renewed tokens.

        Raises:
            AuthorizationRevoked: the user must log in again.
            AppError: ``SPOTIFY_UNAUTHORIZED``, ``SPOTIFY_ERROR``.
        """
        if not token.refresh_token:
            raise AuthorizationRevoked
        with self._session() as session:
            renewed = self._request_token(
                lambda: session.refresh_token(self._token_url, refresh_token=token.refresh_token)
            )
        # Spotify returns a new refresh token only sometimes.
        return dataclasses.replace(renewed, refresh_token=renewed.refresh_token or token.refresh_token)

    @property
    def _token_url(self) -> str:
        return f"{self._accounts_url}/api/token"

    def _session(self, **options: Any) -> OAuth2Session:
        if not (self._client_id and self._client_secret):
            raise errors.SPOTIFY_UNAUTHORIZED()
        session = OAuth2Session(
            self._client_id, self._client_secret, default_timeout=self._timeout_seconds, leeway=0, **options
        )
        session.trust_env = False  # a .netrc would replace the token
        session.max_redirects = 0  # codes and tokens must not be sent to other addresses
        return session

    def _request_token(self, request: Callable[[], Any]) -> UserToken:
        try:
            response = _TokenResponse.model_validate(request())
        except OAuthError as error:
            if error.error == "invalid_grant":
                raise AuthorizationRevoked from None
            if is_credential_error(error.error):
                raise credentials_refused(error) from None
            raise spotify_failure(0) from None
        except (requests.exceptions.RequestException, ValueError, TypeError, OverflowError):
            raise spotify_failure(0) from None
        return UserToken(response.access_token, response.refresh_token or "", self._clock.now() + response.expires_in)

    def _profile(self, session: OAuth2Session) -> Profile:
        try:
            response = session.get(f"{self._api_url}/me")
            if response.status_code == requests.codes.forbidden:
                raise errors.SPOTIFY_DENIED(
                    "Spotify does not allow this account to use the application of this server. Ask the operator to add the account."
                )
            if not response.ok:
                raise spotify_failure(response.status_code)
            user = _User.model_validate_json(response.content)
        except (requests.exceptions.RequestException, OAuthError, ValidationError):
            raise spotify_failure(0) from None
        return Profile(user.id, one_line(user.display_name or "") or user.id, user.email or "")
