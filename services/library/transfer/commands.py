"""The commands ``backup`` and ``restore`` over the stores of the settings."""

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from soundwright.kit import infra
from soundwright.kit.adapters.system.clock import SystemClock
from soundwright.kit.ports import Blobs, Docs
from soundwright.kit.scratch import process_folder
from soundwright.kit.security.private_files import write_private
from soundwright.kit.settings import Settings, SettingsError
from soundwright.services.library.settings import LibrarySettings
from soundwright.services.library.transfer.backup import Backup
from soundwright.services.library.transfer.folder import PRIVATE_FILES, BackupFolder
from soundwright.services.library.transfer.restore import Restore


def _progress(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextlib.asynccontextmanager
async def _stores(settings: Settings, folder: BackupFolder) -> AsyncIterator[tuple[Docs, Blobs, Blobs]]:
    """Open the stores of the settings, and the files of a backup, inside the block."""
    stored = infra.open_blobs(settings.model_copy(update={"blobs_url": folder.blobs_url}))
    async with (
        infra.closing(infra.open_docs(settings)) as docs,
        infra.closing(infra.open_blobs(settings)) as blobs,
        infra.closing(stored),
    ):
        yield docs, blobs, stored


async def back_up(settings: LibrarySettings, path: Path) -> None:
    folder = BackupFolder(path)
    private = _private_files(settings)
    with folder.locked(), process_folder(settings.scratch_dir("transfer")) as scratch:
        async with _stores(settings, folder) as (docs, blobs, stored):
            await Backup(docs, blobs, folder, stored, scratch, SystemClock(), _progress).write(private)


def _private_files(settings: LibrarySettings) -> dict[str, str]:
    """Return the contents of the private files of the data directory, and the secret of the settings.

    Raises ``SettingsError``: there is no secret.
    """
    paths = {name: settings.data_dir / name for name in PRIVATE_FILES}
    private = {name: path.read_text() for name, path in paths.items() if path.exists()}
    if settings.secret.get_secret_value():
        private["secret"] = settings.secret.get_secret_value()
    if "secret" not in private:
        raise SettingsError("SOUNDWRIGHT_SECRET: set it to the secret of the stack, which belongs to the backup")
    return private


async def restore(settings: LibrarySettings, path: Path) -> None:
    folder = BackupFolder(path)
    folder.require_manifest()
    _require_same_secret(settings, folder)
    # Before the documents: a library that starts without the secret would make another one.
    for name in PRIVATE_FILES:
        saved, target = folder.path / name, settings.data_dir / name
        configured = name == "secret" and settings.secret.get_secret_value()
        if saved.exists() and not target.exists() and not configured:
            write_private(target, saved.read_text())
    async with _stores(settings, folder) as (docs, blobs, stored):
        await Restore(docs, blobs, folder, stored, SystemClock(), _progress).run()


def _require_same_secret(settings: LibrarySettings, folder: BackupFolder) -> None:
    """Check that the secrets of the settings, if there are any, contain those of the backup.

    Raises ``SettingsError``: they do not.
    """
    saved, own = folder.path / "secret", settings.secret_file
    secrets = (settings.secret.get_secret_value() or (own.read_text() if own.exists() else "")).split()
    if secrets and saved.exists() and not set(saved.read_text().split()) <= set(secrets):
        raise SettingsError(
            "The platform's secret differs from that of the backup, which protects stored secrets. Remove "
            f"{own} and SOUNDWRIGHT_SECRET, or add the content of {saved} to it, separated by a space."
        )
