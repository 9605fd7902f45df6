"""The secrets of the platform: one that is in use, and previous ones that still verify and decrypt."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable

SECRET_MINIMUM_BYTES = 32


class SecretError(Exception):
    """The secrets cannot be used. The message says why."""


class Secrets:
    """The current secret and the previous ones, read again when their source changes.

    New signatures and ciphertexts use the current secret. Previous secrets verify and decrypt what exists, so a rotation
    logs nobody out.
    """

    def __init__(self, read: Callable[[], str], version: Callable[[], Hashable] = lambda: None) -> None:
        """
        Args:
            read: returns the secrets, separated by white space; the current one comes first.
            version: returns a value that changes with the secrets.

        Raises:
            SecretError: there is no secret, or the current one is too short.
        """
        self._read = read
        self._version = version
        self._seen = version()
        self._secrets = _parsed(read())

    @staticmethod
    def of(*secrets: str) -> Secrets:
        """Return fixed secrets."""
        return Secrets(lambda: " ".join(secrets))

    @property
    def current(self) -> bytes:
        """The secret for new signatures and ciphertexts."""
        return self.all[0]

    @property
    def all(self) -> tuple[bytes, ...]:
        """All secrets, the current one first. If the source becomes invalid, the last valid ones stay in use."""
        version = self._version()
        if version != self._seen:
            with contextlib.suppress(OSError, SecretError):
                self._secrets, self._seen = _parsed(self._read()), version
        return self._secrets


def _parsed(text: str) -> tuple[bytes, ...]:
    secrets = tuple(text.encode().split())
    if not secrets:
        raise SecretError("there is no secret.")
    if len(secrets[0]) < SECRET_MINIMUM_BYTES:
        raise SecretError(
            f"the secret has {len(secrets[0])} characters and needs at least {SECRET_MINIMUM_BYTES}. Put a new one in front "
            "(`openssl rand -base64 32`) and leave the old one behind it, separated by a space, so that stored data stays "
            "readable."
        )
    return secrets
