"""The command ``orphans``."""

import sys

from soundwright.kit import infra
from soundwright.kit.adapters.system.clock import SystemClock
from soundwright.services.library.orphans.service import Orphan, Orphans
from soundwright.services.library.orphans.store import BlobDocs
from soundwright.services.library.settings import LibrarySettings
from soundwright.services.library.stores import Stores


async def report_orphans(settings: LibrarySettings, older_than_hours: float, *, delete: bool) -> None:
    """Print the orphans of the stores in the settings, and delete them if asked to."""
    async with infra.closing(infra.open_docs(settings)) as docs, infra.closing(infra.open_blobs(settings)) as blobs:
        await Stores(docs).prepare()
        orphans = Orphans(blobs, BlobDocs(docs), SystemClock())
        seconds = older_than_hours * 3600
        found = await orphans.delete(seconds) if delete else [each async for each in orphans.find(seconds)]
    sys.stdout.write("".join(map(_line, found)))
    size = sum(orphan.size_bytes for orphan in found) / 1e6
    done = "Deleted" if delete else "Found"
    sys.stdout.write(f"{done} {len(found)} orphaned files with {size:.1f} MB.\n")
    if found and not delete:
        sys.stdout.write("Run the command again with --delete to delete them.\n")


def _line(orphan: Orphan) -> str:
    return f"{orphan.key}\t{orphan.size_bytes} bytes\t{orphan.age_seconds / 3600:.1f} hours\n"
