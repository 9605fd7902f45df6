"""``python -m services.library create-account EMAIL [--role ROLE]``: the operator's way to let somebody in.

Prints an API token for the new account, once. The data directory (or store) is the one that the settings name.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from kit import infra
from kit.adapters.clock import SystemClock
from kit.errors import AppError
from kit.settings import SettingsError, load
from services.library.accounts import ROLES
from services.library.people import gather
from services.library.settings import LibrarySettings


async def _create(email: str, role: str) -> str:
    settings = load(LibrarySettings)
    docs = infra.open_docs(settings)
    try:
        people = gather(docs, settings, SystemClock())
        await people.store.prepare()
        return await people.accounts.create_with_token(email, role)
    finally:
        await docs.close()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m services.library")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create-account", help="create an account and print an API token for it")
    create.add_argument("email")
    create.add_argument("--role", choices=ROLES, default="user")
    chosen = parser.parse_args(arguments)
    try:
        sys.stdout.write(asyncio.run(_create(chosen.email, chosen.role)) + "\n")
    except (AppError, SettingsError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
