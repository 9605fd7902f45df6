"""Settings: paths, environment variables and invalid values."""

import importlib
import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog

from soundwright.kit.infra import open_blobs
from soundwright.kit.reloaded import Reloaded
from soundwright.kit.settings import Settings, SettingsError, load, unknown_variables
from soundwright.services.__main__ import COMPONENTS, main
from soundwright.services.library.settings import LibrarySettings


def test_defaults_follow_from_the_data_directory() -> None:
    root = Path("/srv/soundwright")  # short enough for the path of a socket
    settings = Settings(data_dir=root)
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


def test_storage_quotas_are_by_role(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_STORAGE_QUOTA_BYTES", "100")
    monkeypatch.setenv("SOUNDWRIGHT_STORAGE_QUOTAS", '{"pro": 500, "admin": 0, "anonymous": 10}')
    quota_of = load(LibrarySettings).storage_quota_of
    assert [quota_of(role) for role in ("user", "pro", "admin", "anonymous")] == [100, 500, 0, 10]
    for wrong in ('{"nobody": 5}', '{"pro": -1}', '{"pro": "much"}', "5"):
        monkeypatch.setenv("SOUNDWRIGHT_STORAGE_QUOTAS", wrong)
        with pytest.raises(SettingsError, match="SOUNDWRIGHT_STORAGE_QUOTAS"):
            load(LibrarySettings)


def test_all_invalid_values_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_errors_do_not_show_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_SECRET", "hunter2")
    monkeypatch.setenv("SOUNDWRIGHT_GATEWAY_PORT", "0")
    with pytest.raises(SettingsError) as problems:
        load(Settings)
    assert "hunter2" not in str(problems.value)
    monkeypatch.delenv("SOUNDWRIGHT_GATEWAY_PORT")
    assert "hunter2" not in repr(load(Settings))


@pytest.mark.parametrize("length", [10, 60, 80, 81, 82, 83, 84, 85, 120, 400])
def test_socket_paths_fit_the_limit_of_the_kernel(length: int) -> None:
    data_dir = Path("/" + "/".join(["d" * 20] * 30)[: length - 1])
    settings = Settings(data_dir=data_dir)
    path = settings.ops_address("generation").removeprefix("unix:")
    assert len(path.encode()) <= 107
    assert settings.run_dir == Settings(data_dir=data_dir).run_dir  # the same for every component
    if length == 400:
        assert settings.run_dir != Settings(data_dir=data_dir / "x").run_dir


def test_parallel_starts_create_one_signing_key(tmp_path: Path) -> None:
    for number in range(20):
        home = tmp_path / str(number)
        with ThreadPoolExecutor(8) as pool:
            keys = {found.current for found in pool.map(Settings.secrets, [Settings(data_dir=home) for _ in range(8)])}
        assert len(keys) == 1
        assert len(keys.pop()) >= 32
        assert [path.name for path in home.iterdir()] == ["secret"]
        assert stat.S_IMODE((home / "secret").stat().st_mode) == 0o600


def test_the_signing_key_is_stored_per_stack(tmp_path: Path) -> None:
    one = Settings(data_dir=tmp_path / "one")
    assert one.secrets().current == Settings(data_dir=tmp_path / "one").secrets().current
    assert one.secrets().current != Settings(data_dir=tmp_path / "two").secrets().current


def test_a_configured_secret_is_not_written_to_disk(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "d", secret="s" * 32)  # type: ignore[arg-type]
    assert settings.secrets().current == b"s" * 32
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_component_parses_the_shared_lists(component: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_FETCH_ALLOW_HOSTS", "127.0.0.1, example.org:8080")
    described = COMPONENTS[component]
    kind = getattr(importlib.import_module(f"{described.module}.settings"), described.settings)
    assert load(kind).fetch_allow_hosts == ("127.0.0.1", "example.org:8080")


# ------------------------------------------------------------------------------------------------- unknown variables

KINDS = [
    getattr(importlib.import_module(f"{component.module}.settings"), component.settings)
    for component in COMPONENTS.values()
]
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("variable", "similar"),
    [
        ("SOUNDWRIGHT_OPEN_ACESS", "SOUNDWRIGHT_OPEN_ACCESS"), ("SOUNDWRIGHT_GATEWAYPORT", "SOUNDWRIGHT_GATEWAY_PORT"),
        ("SOUNDWRIGHT_SPOTIFY_CLIENT", "SOUNDWRIGHT_SPOTIFY_CLIENT_ID"),
        ("soundwright_sweep_second", "SOUNDWRIGHT_SWEEP_SECONDS"), ("SOUNDWRIGHT_XYZZY", ""), ("SOUNDWRIGHT_", ""),
    ],
)  # fmt: skip
def test_an_unknown_variable_comes_with_the_nearest_setting(
    variable: str, similar: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    monkeypatch.setenv("UNRELATED_OPEN_ACESS", "1")
    assert unknown_variables(KINDS) == {variable: similar}


def test_the_settings_of_all_components_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"library": "SMTP_URL", "ingest": "SPOTIFY_CLIENT_ID", "separation": "PIPELINE_MODEL", "analysis": "LLM_URL",
           "generation": "GENERATION_ENGINE", "gateway": "SOUNDBOX_PORT"}  # fmt: skip
    for name in (*own.values(), "DATA_DIR"):
        monkeypatch.setenv(f"SOUNDWRIGHT_{name}", "x")
    monkeypatch.setenv("soundwright_log_level", "info")
    assert unknown_variables(KINDS) == {}
    assert set(unknown_variables([Settings])) == {f"SOUNDWRIGHT_{name}" for name in own.values()}


def test_every_variable_that_the_project_sets_is_known() -> None:
    known = {f"SOUNDWRIGHT_{name.upper()}" for kind in KINDS for name in kind.model_fields}
    files = [ROOT / "Makefile", ROOT / "README.md"]
    files += [
        path for folder in ("demo", "dev", "docs", "tests/api", "tests/chaos") for path in (ROOT / folder).rglob("*")
    ]
    named = {
        name for path in files if path.suffix in (".py", ".md", "") and path.is_file()
        for name in re.findall(r"\bSOUNDWRIGHT_[A-Z0-9_]*[A-Z0-9]\b", path.read_text())
    }  # fmt: skip
    assert {"SOUNDWRIGHT_DATA_DIR", "SOUNDWRIGHT_OPEN_ACCESS"} <= named
    # A variable of the tests names a server for them; no component reads it.
    variables = {name for name in named if not name.startswith("SOUNDWRIGHT_TEST_")}
    streams, of_the_client = {"CMD", "EVT", "COUNT"}, {"SERVER", "TOKEN"}
    assert variables - known == {f"SOUNDWRIGHT_{name}" for name in streams | of_the_client}


@pytest.mark.parametrize("url", ["http://hush@host", "nats:host", "nats://hush@a b", "nats://one,redis://hush@two"])
def test_an_invalid_broker_url_is_refused_without_its_secrets(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_NATS_URL", url)
    with pytest.raises(SettingsError, match="use nats://host:port or tls://host:port") as problem:
        load(Settings)
    assert "hush" not in str(problem.value)


def test_the_servers_of_a_cluster_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_NATS_URL", "tls://user:hush@one:4222, tls://user:hush@[::1]:4222,tls://three")
    assert "hush" not in repr(load(Settings))


@pytest.mark.parametrize(
    ("targets", "process", "start"),
    [
        (["all"], "supervisor", "soundwright.services.supervisor.run"),
        (["library", "gateway"], "supervisor", "soundwright.services.supervisor.run"),
        (["analysis"], "analysis", "soundwright.kit.run.run_component"),
        (["broker"], "broker", "soundwright.services.broker.run"),
    ],
)
def test_a_start_reports_each_unknown_variable_once(
    targets: list[str], process: str, start: str, starting: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    inherited: list[str] = []

    def started(*_: object, **__: object) -> int:
        inherited.extend(name for name in os.environ if name.startswith("SOUNDWRIGHT_"))
        return 0

    monkeypatch.setattr(start, started)
    monkeypatch.setenv("SOUNDWRIGHT_OPEN_ACESS", "secret value")
    monkeypatch.setenv("SOUNDWRIGHT_XYZZY", "1")
    monkeypatch.setenv("SOUNDWRIGHT_SOUNDBOX_PORT", "0")
    with structlog.testing.capture_logs() as logged:
        assert main(targets) == 0
    warning = {"event": "setting.unknown", "log_level": "warning"}
    assert logged == [
        {**warning, "variable": "SOUNDWRIGHT_OPEN_ACESS", "did_you_mean": "SOUNDWRIGHT_OPEN_ACCESS"},
        {**warning, "variable": "SOUNDWRIGHT_XYZZY"},
    ]
    assert starting == [process]
    # The processes of a stack inherit only known variables, so that none reports them again.
    assert inherited == ["SOUNDWRIGHT_SOUNDBOX_PORT"]


@pytest.mark.usefixtures("starting")
def test_all_wrong_values_are_reported_although_a_variable_is_unknown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_OPEN_ACESS", "1")
    monkeypatch.setenv("SOUNDWRIGHT_LEASE_SECONDS", "soon")
    monkeypatch.setenv("SOUNDWRIGHT_ANALYSIS_SLOT_COUNT", "0")
    assert main(["analysis"]) == 1
    output = capsys.readouterr().err
    assert "SOUNDWRIGHT_LEASE_SECONDS" in output
    assert "SOUNDWRIGHT_ANALYSIS_SLOT_COUNT" in output


@pytest.fixture
def starting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keep this process as it is when a component starts in it. Return the names that logs would have."""
    names: list[str] = []
    monkeypatch.setattr("soundwright.kit.log.configure", lambda process, **_: names.append(process))
    monkeypatch.setattr(os, "nice", lambda _increment: 0)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GLIBC_TUNABLES"):
        monkeypatch.setenv(variable, os.environ.get(variable, ""))
    return names


@pytest.mark.parametrize(
    "url", ["s3+http://store:9000", "s3+http://store:9000/", "s3+http:///bucket", "s3+http://store/a/b"]
)
def test_a_store_without_host_and_bucket_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match="SOUNDWRIGHT_BLOBS_URL: name a host and a bucket"):
        open_blobs(Settings(data_dir=tmp_path, blobs_url=url))


@pytest.mark.parametrize(
    ("value", "served"),
    [("all", {"separation", "export", "lalalai"}), ("none", set()), ("export, lalalai", {"export", "lalalai"})],
)
def test_a_process_serves_the_queues_of_its_settings(
    monkeypatch: pytest.MonkeyPatch, value: str, served: set[str]
) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_WORKER_QUEUES", value)
    settings = load(Settings)
    assert {name for name in ("separation", "export", "lalalai") if settings.serves_queue(name)} == served


@pytest.mark.parametrize("value", ["", "separations", "all,export", "none,export"])
def test_unknown_queues_are_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_WORKER_QUEUES", value)
    with pytest.raises(SettingsError, match=r"SOUNDWRIGHT_WORKER_QUEUES: .*comma-separated list of ingest, separation"):
        load(Settings)


def test_a_file_that_could_not_be_read_is_read_again_with_new_permissions(tmp_path: Path) -> None:
    path, refusals = tmp_path / "secret", [PermissionError("the file belongs to root")]
    path.write_text("old")

    def read() -> str:
        if path.read_text() == "a new one" and refusals:
            raise refusals.pop()
        return path.read_text()

    source = Reloaded("test", [path], read, (OSError,))
    path.write_text("a new one")
    assert source.current == "old"
    changed = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == changed:  # the clock of the file system has steps
        path.chmod(0o600)
    assert source.current == "a new one"
