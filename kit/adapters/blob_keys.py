"""What the Blobs adapters share: the checks of keys, and the refusal for a missing blob."""

import re

from soundwright.kit import errors

_KEY = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,200}(/(?!\.)[A-Za-z0-9._-]{1,200}){0,15}")


def check_key(key: str) -> str:
    """Return ``key``.

    Raises ``BLOB_KEY_INVALID`` if it is not a key as :class:`soundwright.kit.ports.Blobs` describes.
    """
    if not _KEY.fullmatch(key):
        raise errors.BLOB_KEY_INVALID()
    return key


def check_prefix(prefix: str) -> str:
    """Return ``prefix``, the beginning of keys; empty: of all keys. Raises like :func:`check_key`."""
    if prefix:
        check_key(prefix.removesuffix("/"))
    return prefix


def check_folder(prefix: str) -> str:
    """Return ``prefix``, a folder with a slash at its end. Raises like :func:`check_key`."""
    if not prefix.endswith("/"):
        raise errors.BLOB_KEY_INVALID("The prefix must end with a slash.")
    check_key(prefix[:-1])
    return prefix
