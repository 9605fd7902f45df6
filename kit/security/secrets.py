"""The secrets of the platform: one that is in use, and previous ones that still verify and decrypt."""

from collections.abc import Callable
from pathlib import Path

from soundwright.kit.reloaded import Reloaded

SECRET_MINIMUM_BYTES = 32


class SecretError(Exception):
    """The secrets cannot be used. The message says why."""


class Secrets:
    """The current secret and the previous ones, read again when their source changes.

    New signatures and ciphertexts use the current secret. Previous secrets verify and decrypt what exists, so a rotation
    logs nobody out.
    """

    def __init__(self, read: Callable[[], str], *paths: Path) -> None:
        """
        Args:
            read: returns the secrets, separated by white space; the current one comes first.

        Raises ``SecretError``: there is no secret, or the current one is too short.
        """
        self._source = Reloaded("secrets", paths, lambda: _parsed(read()), (OSError, SecretError))

    @staticmethod
    def of(*secrets: str) -> "Secrets":
        return Secrets(lambda: " ".join(secrets))

    @property
    def current(self) -> bytes:
        """The secret for new signatures and ciphertexts."""
        return self.all[0]

    @property
    def all(self) -> tuple[bytes, ...]:
        """All secrets, the current one first. If the source becomes invalid, the last valid ones stay in use."""
        return self._source.current


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
