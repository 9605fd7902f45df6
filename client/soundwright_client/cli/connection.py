"""Finds the server and the token of a command, or starts a server for its length."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from soundwright_client.errors import ConnectionFailed
from soundwright_client.local import running

LOCAL_SERVER = f"http://127.0.0.1:{os.environ.get('SOUNDWRIGHT_GATEWAY_PORT', '4000')}"
"""The address of ``soundwright serve`` and ``make run``."""
OWN_VARIABLES = ("SOUNDWRIGHT_SERVER", "SOUNDWRIGHT_TOKEN")
"""Variables of the command line, which are no settings of the platform."""
PORTS = {"GATEWAY": "4000", "SOUNDBOX": "5309", "PIPELINE": "8000"}
_KEYRING = "soundwright"
_PROBE = httpx.Timeout(10, connect=3)
_START_SECONDS = 300.0
_PLATFORM = ("soundwright", "fastapi", "motor", "yt_dlp", "librosa", "torch")


@dataclass(frozen=True)
class Connection:
    """A server and the API token for it; empty: none."""

    server: str
    token: str
    embedded: bool = False


@contextlib.contextmanager
def connect(server: str) -> Iterator[Connection]:
    """Yield the server to use: the given one, that of ``login``, one on this machine, or one that runs during the block.

    Raises:
        ConnectionFailed: there is none.
    """
    address = server_of(server)
    if address:
        check(address)
        yield Connection(address, _token(address))
        return
    with contextlib.suppress(ConnectionFailed):
        check(LOCAL_SERVER)
        address = LOCAL_SERVER
    if address:
        yield Connection(address, _token(address))
        return
    if not is_installed():
        raise ConnectionFailed(
            f"No server runs at {LOCAL_SERVER}. Name yours with --server or SOUNDWRIGHT_SERVER, or once with "
            "`soundwright login --server ADDRESS`."
        )
    with _embedded() as connection:
        yield connection


def server_of(server: str) -> str:
    """Return the address that was given, or that of ``login``; empty: none."""
    address = (server or str(_configuration().get("server", ""))).strip().rstrip("/")
    return address if not address or "://" in address else f"http://{address}"


def is_installed() -> bool:
    """Return whether the platform is installed beside this package, with what each component needs."""
    return all(importlib.util.find_spec(name) for name in _PLATFORM)


def data_dir() -> Path:
    """Return the data directory of servers on this machine: ``SOUNDWRIGHT_DATA_DIR``, ``data`` if it has a server's data, or the user's."""
    if given := os.environ.get("SOUNDWRIGHT_DATA_DIR"):
        return Path(given)
    here = Path("data")
    if (here / "admin-token").exists():
        return here
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "soundwright"


@contextlib.contextmanager
def _embedded() -> Iterator[Connection]:
    """Run the platform during the block, over the data that ``soundwright serve`` uses, too."""
    folder = data_dir().absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    first_password = importlib.import_module("soundwright.services.first_password").first_password
    # The password of the first administrator must not be in a log. `soundwright serve` shows it.
    password = first_password(folder)
    settings = {"SOUNDWRIGHT_ADMIN_PASSWORD": password} if password else {}
    given = {name: text for name, text in os.environ.items() if name.startswith("SOUNDWRIGHT_")}
    for other in (*OWN_VARIABLES, "SOUNDWRIGHT_DATA_DIR", *(f"SOUNDWRIGHT_{name}_PORT" for name in PORTS)):
        given.pop(other, None)
    with contextlib.ExitStack() as stack:
        try:
            started = stack.enter_context(running(folder, {**given, **settings}, _START_SECONDS))
        except RuntimeError as error:
            raise ConnectionFailed(str(error)) from None
        yield Connection(started.base_url, started.token, embedded=True)


def check(server: str) -> None:
    """Raise :class:`ConnectionFailed` unless a Soundwright server answers."""
    try:
        answer = httpx.get(f"{server}/health", timeout=_PROBE)
        known = answer.is_success and "pipeline_stages" in answer.json()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ConnectionFailed(
            f"{server} does not answer ({error}). Start a server with `soundwright serve`, or name another with --server."
        ) from None
    except ValueError:
        known = False
    if not known:
        raise ConnectionFailed(f"{server} is no Soundwright server. Check the address.")


# What `login` keeps


def remember(server: str, token: str) -> str:
    """Keep a token, and make its server the default. Return where the token is: in the keyring, or in a file of mode 0600."""
    configuration = _configuration()
    tokens = configuration.setdefault("tokens", {})
    tokens.pop(server, None)
    place = "the keyring"
    _keyring("set_password", server, token)
    if _keyring("get_password", server) != token:
        tokens[server] = token
        place = str(_file())
    _store({**configuration, "server": server})
    return place


def forget_token(server: str) -> bool:
    """Remove the token for ``server``. Return whether there was one."""
    configuration = _configuration()
    known = configuration.get("tokens", {}).pop(server, None) is not None
    if configuration.get("server") == server:
        del configuration["server"]
    _store(configuration)
    known |= _keyring("get_password", server) is not None
    _keyring("delete_password", server)
    return known


def _token(server: str) -> str:
    if given := os.environ.get("SOUNDWRIGHT_TOKEN", "").strip():
        return given
    if kept := _configuration().get("tokens", {}).get(server):
        return str(kept)
    if found := _keyring("get_password", server):
        return str(found)
    # A server on this machine has left the token of its administrator where only its user can read it.
    if urlsplit(server).hostname in ("127.0.0.1", "localhost", "::1"):
        with contextlib.suppress(OSError):
            return (data_dir() / "admin-token").read_text().strip()
    return ""


def _keyring(action: str, *arguments: str) -> Any:
    """Return what the keyring of the system answers; None: it is not installed, is locked, or has no backend."""
    with contextlib.suppress(Exception):
        return getattr(importlib.import_module("keyring"), action)(_KEYRING, *arguments)
    return None


def _file() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "soundwright" / "config.json"


def _configuration() -> dict[str, Any]:
    try:
        content = json.loads(_file().read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _store(configuration: dict[str, Any]) -> None:
    file = _file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:
        json.dump(configuration, output, indent=2)
    partial.replace(file)
