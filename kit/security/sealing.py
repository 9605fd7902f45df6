"""Encryption of stored secrets with AES-256-GCM (NIST SP 800-38D)."""

import base64
import functools
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.security.secrets import Secrets

_VERSION = "v1."
_NONCE_BYTES = 12


class Sealer:
    """Encrypts and decrypts texts. The keys are derived from the secrets of the platform (HKDF, RFC 5869).

    Texts that were encrypted with a previous secret stay readable while that secret is configured.
    """

    def __init__(self, platform_secrets: Secrets) -> None:
        self._secrets = platform_secrets

    def seal(self, secret: str, purpose: str) -> str:
        """Return the encrypted text as ASCII.

        Args:
            purpose: authenticated with the text, for example the ID of its owner. Decryption requires the same value.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        ciphertext = _cipher(self._secrets.current).encrypt(nonce, secret.encode(), purpose.encode())
        return _VERSION + base64.b64encode(nonce + ciphertext).decode()

    def open(self, sealed: str, purpose: str) -> str:
        """Return the decrypted text.

        Raises ``SECRET_UNREADABLE`` if the text was changed, or encrypted with another key or purpose.
        """
        for platform_secret in self._secrets.all:
            if (text := _opened(platform_secret, sealed, purpose)) is not None:
                return text
        raise errors.SECRET_UNREADABLE()

    def reseal(self, sealed: str, purpose: str) -> str:
        """Return the text encrypted with the current secret. A text that already is, or that is unreadable, stays as it is."""
        if _opened(self._secrets.current, sealed, purpose) is not None:
            return sealed
        try:
            return self.seal(self.open(sealed, purpose), purpose)
        except AppError:
            return sealed


def _opened(platform_secret: bytes, sealed: str, purpose: str) -> str | None:
    try:
        if not sealed.startswith(_VERSION):
            return None
        content = base64.b64decode(sealed.removeprefix(_VERSION), validate=True)
        plaintext = _cipher(platform_secret).decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], purpose.encode())
    except (InvalidTag, ValueError):
        return None
    return plaintext.decode()


@functools.lru_cache(maxsize=16)
def _cipher(platform_secret: bytes) -> AESGCM:
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"soundwright sealing v1")
    return AESGCM(hkdf.derive(platform_secret))
