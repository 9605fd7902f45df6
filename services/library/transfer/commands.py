"""The commands ``backup``, ``restore`` and ``copy`` over the stores of the settings."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from kit import infra
from kit.adapters.system.clock import SystemClock
from kit.ports import Blobs, Docs
from kit.scratch import process_folder
from kit.security.private_files import write_private
from kit.settings import Settings, SettingsError
from services.library.settings import LibrarySettings
from services.library.transfer.backup import Backup
from services.library.transfer.copy import Copy, identity_of
from services.library.transfer.folder import PRIVATE_FILES, BackupFolder
from services.library.transfer.restore import Restore

__all__ = ["CopySettings", "back_up", "copy", "restore"]


class CopySettings(LibrarySettings):
    """The settings of the library, and the source of a copy."""

    model_config = SettingsConfigDict(env_prefix="SOUNDWRIGHT_", frozen=True, extra="ignore")

    from_docs_url: str = Field("", description="Document store that a copy reads.")
    from_blobs_url: str = Field("", description="File store that a copy reads.")
    from_blobs_access_key: SecretStr = Field(SecretStr(""), description="Access key of an S3 store that a copy reads.")
    from_blobs_secret_key: SecretStr = Field(SecretStr(""), description="Secret key of an S3 store that a copy reads.")


def _progress(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@contextlib.asynccontextmanager
async def _docs(settings: Settings) -> AsyncIterator[Docs]:
    docs, _ = infra.open_docs_and_search(settings)
    try:
        yield docs
    finally:
        await docs.close()


@contextlib.asynccontextmanager
async def _blobs(settings: Settings) -> AsyncIterator[Blobs]:
    blobs = infra.open_blobs(settings)
    try:
        yield blobs
    finally:
        await blobs.close()


async def back_up(settings: LibrarySettings, path: Path) -> None:
    """Write a backup of the library into a folder."""
    folder = BackupFolder(path)
    private = _private_files(settings)
    with folder.locked(), process_folder(settings.scratch_dir("transfer")) as scratch:
        stored_settings = settings.model_copy(update={"blobs_url": folder.blobs_url})
        async with _docs(settings) as docs, _blobs(settings) as blobs, _blobs(stored_settings) as stored:
            await Backup(docs, blobs, folder, stored, scratch, SystemClock(), _progress).write(private)


def _private_files(settings: LibrarySettings) -> dict[str, str]:
    """Return the contents of the private files of the data directory, and the secret of the settings.

    Raises:
        SettingsError: there is no secret.
    """
    paths = {name: settings.data_dir / name for name in PRIVATE_FILES}
    private = {name: path.read_text() for name, path in paths.items() if path.exists()}
    if settings.secret.get_secret_value():
        private["secret"] = settings.secret.get_secret_value()
    if "secret" not in private:
        raise SettingsError("SOUNDWRIGHT_SECRET: set it to the secret of the stack, which belongs to the backup")
    return private


async def restore(settings: LibrarySettings, path: Path) -> None:
    """Restore a backup into the empty stores of the settings."""
    folder = BackupFolder(path)
    stored_settings = settings.model_copy(update={"blobs_url": folder.blobs_url})
    folder.require_manifest()
    _require_same_secret(settings, folder)
    # Before the documents: a library that starts without the secret would make another one.
    for name in PRIVATE_FILES:
        saved, target = folder.path / name, settings.data_dir / name
        configured = name == "secret" and settings.secret.get_secret_value()
        if saved.exists() and not target.exists() and not configured:
            write_private(target, saved.read_text())
    async with _docs(settings) as docs, _blobs(settings) as blobs, _blobs(stored_settings) as stored:
        await Restore(docs, blobs, folder, stored, SystemClock(), _progress).run()


def _require_same_secret(settings: LibrarySettings, folder: BackupFolder) -> None:
    """Check that the secrets of the settings, if there are any, contain those of the backup.

    Raises:
        SettingsError: they do not.
    """
    saved, own = folder.path / "secret", settings.secret_file
    secrets = (settings.secret.get_secret_value() or (own.read_text() if own.exists() else "")).split()
    if secrets and saved.exists() and not set(saved.read_text().split()) <= set(secrets):
        raise SettingsError(
            "The platform's secret differs from that of the backup, which protects stored secrets. Remove "
            f"{own} and SOUNDWRIGHT_SECRET, or add the content of {saved} to it, separated by a space."
        )


async def copy(settings: CopySettings, source: str, target: str, source_blobs: str, target_blobs: str) -> None:
    """Copy a library. Empty URLs are those of the settings."""
    for url in (source, target, source_blobs, target_blobs):
        if urlsplit(url).password:
            raise SettingsError(
                "Other users of this machine can read arguments. Set URLs with passwords as SOUNDWRIGHT_FROM_DOCS_URL and "
                "SOUNDWRIGHT_DOCS_URL."
            )
    from_settings = settings.model_copy(
        update={
            "docs_url": source or settings.from_docs_url,
            "blobs_url": source_blobs or settings.from_blobs_url,
            "blobs_access_key": settings.from_blobs_access_key,
            "blobs_secret_key": settings.from_blobs_secret_key,
        }
    )
    to_settings = settings.model_copy(
        update={"docs_url": target or settings.docs_url, "blobs_url": target_blobs or settings.blobs_url}
    )
    if not from_settings.docs_url or not to_settings.docs_url:
        raise SettingsError("Name both document stores: --from and --to, or the variables.")
    if bool(from_settings.blobs_url) != bool(to_settings.blobs_url):
        raise SettingsError("Name both file stores, or none if both libraries use the same one.")
    identity = identity_of(from_settings.docs_url)
    if identity == identity_of(to_settings.docs_url):
        raise SettingsError("Source and target are the same document store.")
    async with contextlib.AsyncExitStack() as stack:
        scratch = stack.enter_context(process_folder(settings.scratch_dir("transfer")))
        files = from_settings.blobs_url and from_settings.blobs_url != to_settings.blobs_url
        await Copy(
            await stack.enter_async_context(_docs(from_settings)),
            await stack.enter_async_context(_docs(to_settings)),
            await stack.enter_async_context(_blobs(from_settings)) if files else None,
            await stack.enter_async_context(_blobs(to_settings)) if files else None,
            identity=identity,
            scratch=scratch,
            clock=SystemClock(),
            progress=_progress,
        ).run()
