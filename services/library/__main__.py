"""Commands of the library: ``python -m soundwright.services.library COMMAND``. They use the settings of the stack.

- ``create-account`` prints an API token for the new account. The token is shown once.
- ``migrate`` creates missing indexes and migrates documents of earlier versions. The library does so on every start, too. Several
  may run at once.
- ``backup`` and ``restore`` write and read a folder with all documents and files.
- ``retention`` shows what is old enough to be deleted, or deletes it.
- ``orphans`` lists files that no record names, and deletes them if asked to.
- ``rotate-secret`` replaces the secret of the platform, in two steps (docs/OPERATIONS.md).
- ``signing-keys`` writes a signing key for each component.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from soundwright.kit import infra, log
from soundwright.kit.adapters.system.clock import SystemClock
from soundwright.kit.errors import AppError
from soundwright.kit.security.identity import ROLE_RANKS
from soundwright.kit.security.signing_keys import KeyFileError
from soundwright.kit.settings import SettingsError, load
from soundwright.services.library.identity.app import build_identity
from soundwright.services.library.job_results import build_ledger
from soundwright.services.library.orphans.commands import report_orphans
from soundwright.services.library.orphans.service import MIN_AGE_SECONDS
from soundwright.services.library.retention.app import build_retention
from soundwright.services.library.retention.service import table
from soundwright.services.library.schema import migrate, schema_version
from soundwright.services.library.secret_rotation import renew_signing_keys, rotate_secret
from soundwright.services.library.settings import LibrarySettings
from soundwright.services.library.storage.service import Storage
from soundwright.services.library.stores import Stores
from soundwright.services.library.transfer import commands as transfer


async def _migrate(_options: argparse.Namespace) -> None:
    log.configure("library", level="info", fmt="console")
    async with infra.closing(infra.open_docs(load(LibrarySettings))) as docs:
        await Stores(docs).prepare()
        sys.stdout.write(f"The documents are at version {await schema_version(docs)}. All indexes exist.\n")


async def _create_account(options: argparse.Namespace) -> None:
    settings = load(LibrarySettings)
    async with infra.closing(infra.open_docs(settings)) as docs:
        await migrate(docs)
        identity = build_identity(docs, settings, SystemClock())
        await identity.prepare()
        sys.stdout.write(await identity.accounts.create_with_token(options.email, options.role) + "\n")


async def _apply_retention(options: argparse.Namespace) -> None:
    settings = load(LibrarySettings)
    async with infra.closing(infra.open_docs(settings)) as docs, infra.closing(infra.open_blobs(settings)) as blobs:
        stores = Stores(docs)
        await stores.prepare()
        storage = Storage(stores.storage, _no_quota, SystemClock())
        ledger = build_ledger(stores, SystemClock(), storage)
        retention = build_retention(settings, docs, stores, blobs, ledger, SystemClock())
        sys.stdout.write(table(await (retention.apply() if options.apply else retention.preview())))


async def _no_quota(_owner_id: str) -> int:
    return 0


async def _rotate_secret(options: argparse.Namespace) -> None:
    sys.stdout.write(await rotate_secret(load(LibrarySettings), options.finish) + "\n")


async def _signing_keys(options: argparse.Namespace) -> None:
    sys.stdout.write(renew_signing_keys(options.folder, options.finish) + "\n")


def _hours(text: str) -> float:
    hours = float(text)
    if not hours >= MIN_AGE_SECONDS / 3600:
        raise argparse.ArgumentTypeError("must be at least 1: younger files may be about to get their record")
    return hours


def main(arguments: list[str]) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m soundwright.services.library")
    commands = parser.add_subparsers(required=True)

    def command(name: str, run: Callable[[argparse.Namespace], Awaitable[None]], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    create = command("create-account", _create_account, "Create an account and print an API token for it.")
    create.add_argument("email")
    create.add_argument("--role", choices=list(ROLE_RANKS), default="user")
    command("migrate", _migrate, "Create missing indexes and migrate documents of earlier versions.")
    backup = command(
        "backup",
        lambda options: transfer.back_up(load(LibrarySettings), options.folder),
        "Write all documents and files into a folder, also while the stack runs.",
    )
    backup.add_argument("folder", type=Path)
    restore = command(
        "restore",
        lambda options: transfer.restore(load(LibrarySettings), options.folder),
        "Restore a backup into empty stores.",
    )
    restore.add_argument("folder", type=Path)
    orphans = command(
        "orphans",
        lambda options: report_orphans(load(LibrarySettings), options.older_than_hours, delete=options.delete),
        "List files that no record names, also while the stack runs.",
    )
    orphans.add_argument("--delete", action="store_true", help="delete them")
    orphans.add_argument("--older-than-hours", type=_hours, default=24.0, metavar="N", help="default: 24; at least 1")
    retention = command("retention", _apply_retention, "Show what is old enough to be deleted, or delete it.")
    retention.add_argument("--apply", action="store_true", help="delete it")
    rotate = command("rotate-secret", _rotate_secret, "Replace the secret of the platform, also while the stack runs.")
    rotate.add_argument("--finish", action="store_true", help="remove the previous secrets, instead of adding one")
    keys = command("signing-keys", _signing_keys, "Write a new signing key for each component, and their public keys.")
    keys.add_argument("folder", type=Path)
    keys.add_argument("--finish", action="store_true", help="remove previous public keys, instead of adding keys")
    options = parser.parse_args(arguments)
    log.configure("library", level="warning", fmt="console")
    try:
        asyncio.run(options.run(options))
    except (AppError, KeyFileError, SettingsError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
