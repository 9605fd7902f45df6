"""The connection to NATS: servers, credentials, and a driver that never gives up.

This is the only module that touches internals of the driver. ``tests/contract/test_nats_connection.py`` covers each of them.
"""

import base64
import logging
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nats.aio.client import Client
from nats.errors import ConnectionReconnectingError, SecureConnWantedError, StaleConnectionError
from nats.errors import Error as NatsError

_CONNECT_SECONDS = 5
_RECONNECT_SECONDS = 0.5
_PING_SECONDS = 10
# The driver's protocol for TLS makes asyncio log this sentence each time that the broker closes a connection.
logging.getLogger("asyncio").addFilter(lambda record: "eof_received" not in record.getMessage())
_NO_TLS = (
    "The message broker offers no TLS, but SOUNDWRIGHT_NATS_URL requires it (tls://). Configure TLS in the broker."
)
Locate = Callable[[], Awaitable[str]]
"""Returns the URL of the server as soon as it is known. Called for each connection, because the server can move."""
_CREDENTIALS_BLOCK = re.compile(rb"-+BEGIN ([A-Z ]+)-+\s*(\S+)\s*-+END")


@dataclass(frozen=True)
class BrokerAccess:
    """How a component authenticates.

    Attributes:
        user: the user, with ``password``. Empty: the user in the URL, the credentials file or the TLS certificate.
        credentials_file: a ``.creds`` file with the JWT and the seed of a user. It is read for each connection.
        tls: the context of TLS connections. None: the authorities that the operating system trusts.
    """

    user: str = ""
    password: str = ""
    credentials_file: Path | None = None
    tls: ssl.SSLContext | None = None


class PersistentClient(Client):
    """A connection that reconnects until it is closed.

    The driver itself ends the connection for good when the broker rejects a credential or reports an error. It also sends
    credentials in plain text to a broker that offers no TLS, even if the URL requires TLS.
    """

    _locate: Locate | None = None

    async def open(
        self, url: str | Locate, *, name: str, access: BrokerAccess, on_error: Any, on_reconnect: Any
    ) -> None:
        """Connect to one of the servers of ``url``. Report each failed attempt to ``on_error``, and try again.

        Replies to requests arrive on subjects below ``_INBOX.<name>``, so that permissions can tell components apart.
        """
        if not isinstance(url, str):
            self._locate = url
            url = await url()
        servers = [urlsplit(server.strip()) for server in url.split(",")]
        self._tls_required = any(server.scheme == "tls" for server in servers)

        async def on_disconnect() -> None:
            self._fail_requests()

        # Discovered servers have no user in their URL, so it must not stay in that of the others.
        await self.connect(
            [_without_user(server) for server in servers],
            name=name,
            inbox_prefix=f"_INBOX.{name}",
            error_cb=on_error,
            disconnected_cb=on_disconnect,
            reconnected_cb=on_reconnect,
            max_reconnect_attempts=-1,
            reconnect_time_wait=_RECONNECT_SECONDS,
            ping_interval=_PING_SECONDS,
            connect_timeout=_CONNECT_SECONDS,
            tls=access.tls,
            **_credentials(servers[0].username, servers[0].password, access),
        )

    async def _connect_to_server(self, server: Any) -> None:
        if self._locate is not None:  # another program can take its port between two starts
            server.uri = self._parse_server_uri(_without_user(urlsplit(await self._locate())))
        await super()._connect_to_server(server)

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if self._tls_required and not info.get("tls_required") and initial_connection:
            raise SecureConnWantedError
        await super()._process_info(info, initial_connection)

    async def _process_connect_init(self) -> None:
        try:
            await super()._process_connect_init()
            if not self.is_connected:
                raise NatsError("the server closed the connection during the handshake")
        except (ValueError, LookupError, AttributeError) as error:
            self._transport.close()
            if isinstance(error, OSError):  # a failed verification of a certificate is both
                raise
            raise NatsError(f"not the protocol of NATS: {error}") from error
        except BaseException:
            self._transport.close()  # the driver forgets it when it reconnects
            raise

    async def _process_err(self, err_msg: str) -> None:
        # If the error is fatal, the server closes the connection, and the driver connects again. The driver's own method
        # would close the client for good.
        await self._error_cb(NatsError(f"nats: {err_msg}"))

    def _fail_requests(self) -> None:
        """Fail the requests whose answers were lost with the connection, instead of letting them time out."""
        for answer in list((self._resp_map or {}).values()):
            if not answer.done():
                answer.set_exception(ConnectionReconnectingError())


def _without_user(server: SplitResult) -> str:
    return f"{server.scheme}://{server.netloc.rpartition('@')[2]}"


def _credentials(user: str | None, password: str | None, access: BrokerAccess) -> dict[str, Any]:
    if access.credentials_file is not None:
        path = access.credentials_file
        return {
            "user_jwt_cb": lambda: bytearray(_credential(path, b"NATS USER JWT")),
            "signature_cb": lambda nonce: _sign(_credential(path, b"USER NKEY SEED"), nonce),
        }
    if access.user:
        return {"user": access.user, "password": access.password}
    if user is not None and password is None:
        return {"token": unquote(user)}
    return {"user": unquote(user), "password": unquote(password or "")} if user else {}


def _credential(path: Path, kind: bytes) -> bytes:
    try:
        blocks: dict[bytes, bytes] = dict(_CREDENTIALS_BLOCK.findall(path.read_bytes()))
    except OSError as error:
        raise NatsError(f"the credentials file {path} cannot be read: {error.strerror}") from None
    if kind not in blocks:
        raise NatsError(f"the credentials file {path} has no {kind.decode()}")
    return blocks[kind]


def _sign(seed: bytes, nonce: str) -> bytes:
    """Sign the nonce of the broker with an nkey seed: two bytes of prefix, 32 bytes of Ed25519 key, a checksum."""
    try:
        key = Ed25519PrivateKey.from_private_bytes(base64.b32decode(seed + b"=" * (-len(seed) % 8))[2:34])
    except ValueError:
        raise NatsError("the seed in the credentials file cannot be read") from None
    return base64.b64encode(key.sign(nonce.encode()))


def explain(error: Exception) -> str:
    """Return what is wrong with the connection or the broker, and what to do, without secrets."""
    text = str(error).removeprefix("nats: ") or type(error).__name__
    for applies, sentence in _EXPLANATIONS:
        if applies(error, text):
            return sentence.format(text=text)
    return f"The message broker reports an error: {text}."


def _says(*phrases: str) -> Callable[[Exception, str], bool]:
    return lambda _error, text: any(phrase in text.lower() for phrase in phrases)


def _is(*kinds: type[Exception]) -> Callable[[Exception, str], bool]:
    return lambda error, _text: isinstance(error, kinds)


_EXPLANATIONS: tuple[tuple[Callable[[Exception, str], bool], str], ...] = (
    (_is(SecureConnWantedError), _NO_TLS),
    (
        _is(ssl.SSLError),
        "TLS with the message broker fails: {text}. Check the certificates (SOUNDWRIGHT_TLS_*) and the host name in "
        "SOUNDWRIGHT_NATS_URL.",
    ),
    (
        _is(socket.gaierror),
        "The host name of the message broker cannot be resolved: {text}. Check SOUNDWRIGHT_NATS_URL and the DNS.",
    ),
    (
        _says("authorization violation", "authentication", "credentials file"),
        "The message broker rejects this component: {text}. Check SOUNDWRIGHT_NATS_USER and SOUNDWRIGHT_NATS_PASSWORD, "
        "SOUNDWRIGHT_NATS_CREDS_FILE, or the client certificate.",
    ),
    (
        _says("permissions violation"),
        "The message broker denies an operation: {text}. Check the permissions of this component in the broker.",
    ),
    (
        _says("not the protocol", "expecting info", "json parse"),
        "The server at SOUNDWRIGHT_NATS_URL is not NATS: {text}. Check the address.",
    ),
    (
        _is(OSError, TimeoutError, StaleConnectionError),
        "The message broker does not answer: {text}. Check that it runs at the address in SOUNDWRIGHT_NATS_URL.",
    ),
)
