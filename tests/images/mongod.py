"""Stands in for the entry point of MongoDB's image, with SecantusDB: creates the first user, then serves with passwords.

It runs in a container with SecantusDB's packages, so it imports nothing of this project.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure

SERVER = [sys.executable, "-m", "secantus", "--port", "27017", "--cache-size", "256M"]
SERVER += ["--standalone", "--storage-path", "/data/db/data"]


def main() -> None:
    user, password = (os.environ[f"MONGO_INITDB_ROOT_{name}"] for name in ("USERNAME", "PASSWORD"))
    with subprocess.Popen([*SERVER, "--host", "127.0.0.1"]) as server:
        _create(user, password)
        server.terminate()
    os.execv(SERVER[0], [*SERVER, "--auth", "--host", "0.0.0.0"])


def _create(user: str, password: str) -> None:
    with MongoClient[dict[str, Any]]("mongodb://127.0.0.1", serverSelectionTimeoutMS=60_000) as client:
        while True:
            try:
                client.admin.command("createUser", user, pwd=password, roles=["root"])
                client.admin["started"].insert_one(
                    {}, session=None
                )  # it waits for the journal, which then has the user, too
                return
            except OperationFailure as error:
                if error.code == 51003:  # the user exists
                    return
                raise
            except AutoReconnect:
                time.sleep(0.2)


main()
