"""Secrets that are shown once, and stored as hashes: of API tokens, sessions and links."""

import hashlib
import secrets


def new_secret() -> str:
    """Return 32 random bytes as 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return the SHA-256 hash of a secret. Secrets of 32 random bytes cannot be guessed, so they need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()
