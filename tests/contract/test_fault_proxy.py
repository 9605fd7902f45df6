"""The client of the fault proxy, against the real proxy: each fault reaches a connection and ends when it is removed."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

from tests.servers.toxiproxy import Proxy, toxiproxy


class _Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while line := self.rfile.readline():
            self.wfile.write(line)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with toxiproxy(tmp_path_factory.mktemp("toxiproxy")) as faults:
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
        fault = proxy.add("timeout", timeout=0)
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
