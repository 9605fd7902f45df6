"""The fault proxy of the tests: each fault reaches a connection and ends when it is removed."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

from tests.servers.fault_proxy import Proxy, fault_proxy


class _Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while line := self.rfile.readline():
            self.wfile.write(line)


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with fault_proxy() as faults:
            yield faults.proxy(f"127.0.0.1:{server.server_address[1]}")
        server.shutdown()


@contextlib.contextmanager
def _connection(proxy: Proxy, timeout_seconds: float = 30.0) -> Iterator[socket.socket]:
    host, port = proxy.address.split(":")
    with socket.create_connection((host, int(port)), timeout=timeout_seconds) as connection:
        yield connection


def _echoes(connection: socket.socket) -> bool:
    connection.sendall(b"hello\n")
    return connection.recv(6) == b"hello\n"


def test_a_cut_closes_connections_and_refuses_new_ones_until_restored(proxy: Proxy) -> None:
    with _connection(proxy) as connection:
        assert _echoes(connection)
        proxy.cut()
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""
    with pytest.raises(ConnectionRefusedError), _connection(proxy):
        pass
    proxy.restore()
    with _connection(proxy) as connection:
        assert _echoes(connection)


def test_a_fault_holds_answers_back_until_it_is_removed(proxy: Proxy) -> None:
    with _connection(proxy) as connection:
        assert _echoes(connection)
        fault = proxy.add("timeout")
        connection.sendall(b"lost\n")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        proxy.remove(fault)
    with _connection(proxy) as connection:
        assert _echoes(connection)


def test_restoring_removes_every_fault(proxy: Proxy) -> None:
    proxy.add("limit_data", bytes=3)
    with _connection(proxy) as connection:
        connection.sendall(b"hello\n")
        assert connection.recv(6) == b"hel"
        assert connection.recv(6) == b""
    proxy.restore()
    with _connection(proxy) as connection:
        assert _echoes(connection)


def test_a_slow_connection_delivers_everything_in_order(proxy: Proxy) -> None:
    lines = b"".join(b"%04d\n" % number for number in range(1_000))
    names = [proxy.add("latency", latency=50, jitter=40), proxy.add("bandwidth", upstream=True, rate=100)]
    before = proxy.sent_bytes
    with _connection(proxy) as connection:
        connection.sendall(lines)
        assert connection.makefile("rb").read(len(lines)) == lines
    assert proxy.sent_bytes == before + len(lines)
    for name in names:
        proxy.remove(name)
