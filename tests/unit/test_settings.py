"""Settings: where everything lies, and what a wrong value leads to."""

from __future__ import annotations

import importlib
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kit.settings import Settings, SettingsError, load
from services.__main__ import COMPONENTS
from services.library.settings import LibrarySettings


def test_defaults_follow_from_the_data_directory(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "d")
    root = tmp_path.resolve() / "d"
    assert settings.docs_location() == f"sqlite://{root}/library.db"
    assert settings.blobs_location() == f"file://{root}/blobs"
    assert settings.grpc_address("library") == f"unix:{root}/run/library.sock"
    assert settings.ops_address("gateway") == f"unix:{root}/run/gateway.ops.sock"
    assert settings.scratch_dir("analysis") == root / "scratch" / "analysis"


def test_two_data_directories_share_no_path(tmp_path: Path) -> None:
    one, two = Settings(data_dir=tmp_path / "one"), Settings(data_dir=tmp_path / "two")
    assert one.run_dir != two.run_dir
    assert one.grpc_address("library") != two.grpc_address("library")


def test_the_environment_sets_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_GATEWAY_PORT", "4321")
    monkeypatch.setenv("SOUNDWRIGHT_LIBRARY_ADDR", "library:50051")
    monkeypatch.setenv("SOUNDWRIGHT_OPS_BIND", "0.0.0.0:9090")
    monkeypatch.setenv("SOUNDWRIGHT_OPEN_ACCESS", "true")
    monkeypatch.setenv("SOUNDWRIGHT_NO_SUCH_THING", "x")
    settings = load(LibrarySettings)
    assert (settings.gateway_port, settings.open_access) == (4321, True)
    assert settings.grpc_address("library") == "library:50051"
    assert settings.grpc_address("analysis").startswith("unix:")
    assert settings.ops_address("library") == "0.0.0.0:9090"


def test_all_problems_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_GATEWAY_PORT", "99999")
    monkeypatch.setenv("SOUNDWRIGHT_LEASE_SECONDS", "soon")
    monkeypatch.setenv("SOUNDWRIGHT_LOG_FORMAT", "xml")
    monkeypatch.setenv("SOUNDWRIGHT_SWEEP_SECONDS", "0")
    with pytest.raises(SettingsError) as problems:
        load(LibrarySettings)
    named = {line.split(":")[0] for line in str(problems.value).splitlines()}
    assert named == {
        "SOUNDWRIGHT_GATEWAY_PORT",
        "SOUNDWRIGHT_LEASE_SECONDS",
        "SOUNDWRIGHT_LOG_FORMAT",
        "SOUNDWRIGHT_SWEEP_SECONDS",
    }


def test_a_secret_does_not_show_in_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_SECRET", "hunter2")
    monkeypatch.setenv("SOUNDWRIGHT_GATEWAY_PORT", "0")
    with pytest.raises(SettingsError) as problems:
        load(Settings)
    assert "hunter2" not in str(problems.value)
    monkeypatch.delenv("SOUNDWRIGHT_GATEWAY_PORT")
    assert "hunter2" not in repr(load(Settings))


@pytest.mark.parametrize("length", [10, 60, 80, 81, 82, 83, 84, 85, 120, 400])
def test_every_socket_path_fits_the_kernel_however_long_the_data_directory_is(length: int) -> None:
    data_dir = Path("/" + "/".join(["d" * 20] * 30)[: length - 1])
    settings = Settings(data_dir=data_dir)
    path = settings.ops_address("generation").removeprefix("unix:")
    assert len(path.encode()) <= 107
    assert settings.run_dir == Settings(data_dir=data_dir).run_dir  # every component finds the same
    if length == 400:
        assert settings.run_dir != Settings(data_dir=data_dir / "x").run_dir


def test_the_signing_key_is_made_once_though_many_start_at_once(tmp_path: Path) -> None:
    for number in range(20):
        home = tmp_path / str(number)
        with ThreadPoolExecutor(8) as pool:
            keys = set(pool.map(Settings.signing_key, [Settings(data_dir=home) for _ in range(8)]))
        assert len(keys) == 1
        assert len(keys.pop()) >= 32
        assert [path.name for path in home.iterdir()] == ["secret"]
        assert stat.S_IMODE((home / "secret").stat().st_mode) == 0o600


def test_the_signing_key_stays_and_differs_between_stacks(tmp_path: Path) -> None:
    one = Settings(data_dir=tmp_path / "one")
    assert one.signing_key() == Settings(data_dir=tmp_path / "one").signing_key()
    assert one.signing_key() != Settings(data_dir=tmp_path / "two").signing_key()


def test_a_configured_secret_is_used_and_written_nowhere(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "d", secret="s" * 32)  # type: ignore[arg-type]
    assert settings.signing_key() == b"s" * 32
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_component_understands_the_shared_lists(component: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_FETCH_ALLOW_HOSTS", "127.0.0.1, example.org:8080")
    described = COMPONENTS[component]
    kind = getattr(importlib.import_module(f"{described.module}.settings"), described.settings)
    assert load(kind).fetch_allow_hosts == ("127.0.0.1", "example.org:8080")
