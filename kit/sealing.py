"""Secrets that the platform must be able to read again, encrypted where they are stored: AES-256-GCM (NIST SP 800-38D)."""

from __future__ import annotations

import base64
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kit.errors import AppError, Code

__all__ = ["Sealer"]

_VERSION = "v1."
_NONCE_BYTES = 12


class Sealer:
    """Seals and opens texts with a key of its own, which is derived from the platform's signing key (HKDF, RFC 5869).

    Args:
        signing_key: what :meth:`kit.settings.Settings.signing_key` gives.
    """

    def __init__(self, signing_key: bytes) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"soundwright sealing v1").derive(signing_key)
        self._cipher = AESGCM(derived)

    def seal(self, secret: str, purpose: str) -> str:
        """The text encrypted, as ASCII. It opens for the same ``purpose`` alone, e.g. the id of what it belongs to."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret.encode(), purpose.encode())
        return _VERSION + base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, purpose: str) -> str:
        """
        Raises:
            AppError: ``SECRET_UNREADABLE`` for what was changed, or sealed with another key or for another purpose.
        """
        try:
            if not sealed.startswith(_VERSION):
                raise ValueError("unknown version")
            content = base64.b64decode(sealed.removeprefix(_VERSION), validate=True)
            opened = self._cipher.decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], purpose.encode())
        except (InvalidTag, ValueError):
            raise AppError(
                Code.NOT_PROVISIONED,
                "SECRET_UNREADABLE",
                "A stored secret cannot be read, because the platform's signing key has changed. Set it anew.",
            ) from None
        return opened.decode()
