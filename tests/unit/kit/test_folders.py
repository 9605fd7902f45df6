"""Folders of the platform, private and temporary ones, and the file in which the broker remembers its port."""

import os
import resource
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from soundwright.kit.scratch import process_folder
from soundwright.kit.security.private_files import private_folder
from soundwright.kit.settings import Settings
from soundwright.services import broker
from soundwright.services.first_password import first_password, forget


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}


def test_a_new_folder_is_private(tmp_path: Path) -> None:
    private_folder(tmp_path / "one" / "two")
    assert modes(tmp_path / "one" / "two") == {0o700}


def test_an_open_folder_is_closed_with_all_that_is_in_it(tmp_path: Path) -> None:
    folder, outside = tmp_path / "data", tmp_path / "outside"
    (folder / "blobs").mkdir(parents=True)
    for path in (folder / "library.db", folder / "blobs" / "song.wav", outside):
        path.touch()
        path.chmod(0o644)
    (folder / "link").symlink_to(outside)
    folder.chmod(0o755)
    (folder / "blobs").chmod(0o775)
    private_folder(folder)
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644
    (folder / "link").unlink()
    assert modes(folder) == {0o700, 0o600}


def test_a_link_beside_the_files_of_others_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "sockets").symlink_to(tmp_path)
    with pytest.raises(PermissionError, match="sockets"):
        private_folder(shared / "sockets")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused_only_where_all_may_create_one(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    volume.chmod(0o2770)
    os.chown(volume, 12345, -1)
    private_folder(volume)
    assert stat.S_IMODE(volume.stat().st_mode) == 0o2770
    tmp_path.chmod(0o1777)
    with pytest.raises(PermissionError, match="another user"):
        private_folder(volume)


def test_a_process_removes_the_folders_of_dead_processes_of_its_own_host_only(tmp_path: Path) -> None:
    host = socket.gethostname()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f"{host}-{dead.pid}", f"{host}-{os.getppid()}", f"elsewhere-{dead.pid}", f"{host}-more-{dead.pid}"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "stem.wav").write_bytes(b"1")
    with process_folder(tmp_path) as own:
        assert own.name == f"{host}-{os.getpid()}"
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {own.name, f"{host}-{os.getppid()}", f"elsewhere-{dead.pid}", f"{host}-more-{dead.pid}"}
    assert not own.exists()


@pytest.mark.parametrize("damaged", ["", "\0" * 5, "99999999"])
def test_a_damaged_memory_of_the_port_is_replaced(tmp_path: Path, damaged: str) -> None:
    memory = tmp_path / "port"
    memory.write_text(damaged)
    assert broker._port(memory) == int(memory.read_text())


def test_a_full_disk_leaves_the_remembered_port(tmp_path: Path) -> None:
    memory = tmp_path / "port"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        memory.write_text(taken)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        try:
            with pytest.raises(OSError, match="too large"):
                broker._port(memory)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert memory.read_text() == taken


@pytest.mark.parametrize("content", ["", "x", "99999999", "-1"])
def test_a_damaged_port_or_token_is_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "port").write_text(content)
    (tmp_path / "token").write_text("")
    port, token = broker._port(tmp_path / "port"), broker._token(tmp_path / "token")
    assert 0 < port < 65536
    assert len(token) == 64
    assert [(tmp_path / name).read_text() for name in ("port", "token")] == [str(port), token]


@pytest.mark.parametrize("content", [b"", b"\0\0", b"\xff"])
def test_a_damaged_address_of_the_broker_does_not_end_the_supervisor(tmp_path: Path, content: bytes) -> None:
    settings = Settings(data_dir=tmp_path)
    settings.prepare_folders()
    (settings.run_dir / "nats.health").write_bytes(content)
    assert not broker.refuses_messages(settings)


def test_a_password_is_stored_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOUNDWRIGHT_ADMIN_PASSWORD", raising=False)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            first_password(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "admin-password").exists()
    assert len(first_password(tmp_path)) >= 16


def test_the_password_stays_the_same_until_it_was_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOUNDWRIGHT_ADMIN_PASSWORD", raising=False)
    password = first_password(tmp_path)
    assert len(password) >= 16
    assert (tmp_path / "admin-password").stat().st_mode & 0o777 == 0o600
    (tmp_path / "admin-token").write_text("the library has created the account")
    assert first_password(tmp_path) == password
    forget(tmp_path)
    assert first_password(tmp_path) == ""
    assert [path.name for path in tmp_path.iterdir()] == ["admin-token"]


def test_a_configured_password_is_not_generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_ADMIN_PASSWORD", "chosen by the operator")
    assert first_password(tmp_path) == ""
    assert not list(tmp_path.iterdir())
