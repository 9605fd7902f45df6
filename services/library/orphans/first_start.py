"""A check before the first start of a library, which would take the files of a lost document store for orphans and delete them."""

from soundwright.kit import errors
from soundwright.kit.errors import Code, suppressed
from soundwright.kit.ports import Blobs, Docs
from soundwright.services.library.orphans.service import KeyOwner, owner_of_key


async def require_documents_of_files(docs: Docs, blobs: Blobs) -> None:
    """Check that an empty document store comes with an empty file store. Call it after ``Stores.prepare``.

    Raises ``STORE_MISSING``.
    """
    if await docs.find("accounts", {}, limit=1):
        return
    if await _has_files(blobs):
        raise errors.STORE_MISSING()


async def _has_files(blobs: Blobs) -> bool:
    """Return whether there are files that belong to tracks or jobs."""
    with suppressed(Code.UNAVAILABLE):
        async for key, _ in blobs.scan(""):
            if owner_of_key(key) not in (None, KeyOwner()):
                return True
    return False  # also if the store is away: a library starts without it
