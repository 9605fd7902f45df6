"""A stack whose components speak mutual TLS, each with a certificate and a signing key of its own; and the rotation of
certificates, signing keys and the platform's secret while it runs."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import psutil
import pytest
from browser import Browser, registered, token_of
from stories import asked, encoded, ended, finished, song, upload

from soundwright.kit.security.signing_keys import add_key_files, forget_previous_keys
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.library.v1 import library_service_pb2_grpc as pb_grpc
from tests import forks
from tests.certificates import Authority, replace
from tests.servers import free_ports
from tests.simulators.lalalai import LalalaiSimulator
from tests.waiting import eventually

COMPONENTS = ("library", "ingest", "separation", "analysis", "generation", "gateway")
LALALAI_KEY = "key-of-ann"
ROOT = Path(__file__).resolve().parents[2]


class SecuredStack:
    """Components that share a folder, and nothing else."""

    def __init__(self, folder: Path, outside: dict[str, str]) -> None:
        self.data_dir, self.keys = folder / "data", folder / "keys"
        self.data_dir.mkdir()
        self.authority = Authority(folder / "ca")
        self.certificates = {name: self.authority.certificates(name) for name in COMPONENTS}
        add_key_files(self.keys, COMPONENTS)
        gateway, library, separation, *ports = free_ports(8)
        self.token_addresses = {"library": f"localhost:{library}", "separation": f"localhost:{separation}"}
        self.url = f"http://127.0.0.1:{gateway}"
        self.addresses = {name: f"127.0.0.1:{port}" for name, port in zip(COMPONENTS, ports, strict=False)}
        self._environment = {
            **os.environ,
            **outside,
            **{f"SOUNDWRIGHT_{name.upper()}_ADDR": address for name, address in self.addresses.items()},
            "SOUNDWRIGHT_DATA_DIR": str(self.data_dir),
            "SOUNDWRIGHT_GATEWAY_PORT": str(gateway),
            "SOUNDWRIGHT_FALLBACK": "true",
            "SOUNDWRIGHT_OPEN_ACCESS": "true",
            "HF_HUB_OFFLINE": "1",
        }

    def start(self, component: str) -> psutil.Process:
        environment = dict(self._environment)
        if address := self.token_addresses.get(component):
            environment["SOUNDWRIGHT_GRPC_TOKEN_BIND"] = address
        if certificates := self.certificates.get(component):
            environment |= {
                "SOUNDWRIGHT_TLS_CA_FILE": certificates.ca_file,
                "SOUNDWRIGHT_TLS_CERT_FILE": certificates.cert_file,
                "SOUNDWRIGHT_TLS_KEY_FILE": certificates.key_file,
                "SOUNDWRIGHT_SIGNING_KEY_FILE": str(self.keys / f"{component}.pem"),
                "SOUNDWRIGHT_VERIFICATION_KEYS_FILE": str(self.keys / "keys.json"),
            }
        return forks.start(component, environment, self.data_dir / f"{component}.log")

    def command(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "soundwright.services.library", *arguments]
        done = subprocess.run(command, env=self._environment, check=True, capture_output=True, text=True)
        return done.stdout

    def ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/health", timeout=2).status_code == 200
        return False


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, lalalai: LalalaiSimulator) -> Iterator[SecuredStack]:
    lalalai.add_account(LALALAI_KEY)
    stack = SecuredStack(tmp_path_factory.mktemp("secured"), lalalai.settings)
    processes = [stack.start(target) for target in ("broker", *COMPONENTS)]
    try:
        eventually(stack.ready)
        yield stack
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(60)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def ann(secured: SecuredStack) -> Iterator[Browser]:
    with Browser(secured.url) as browser:
        registered(browser)
        yield browser


def test_a_story_through_all_components(secured: SecuredStack, ann: Browser) -> None:
    with httpx.Client(base_url=secured.url, headers={"Authorization": f"Bearer {token_of(ann)}"}, timeout=60) as client:
        track = upload(client, encoded(song(2.0)))
        analysis = client.post("/api/analysis/analyze", json={"track_id": track["id"], "features": ["tempo"]})
        assert ended(client, asked(client, "calm piano", duration=1)["job_id"])["status"] == "completed"
        assert finished(client, f"/api/analysis/job/{analysis.json()['data']['job_id']}")["status"] == "completed"


@pytest.mark.parametrize("component", COMPONENTS[:5])
def test_a_foreign_process_reaches_no_component(secured: SecuredStack, tmp_path: Path, component: str) -> None:
    stranger = Authority(tmp_path).certificates("gateway")
    trusted = Path(secured.certificates["gateway"].ca_file).read_bytes()
    own = (Path(stranger.key_file).read_bytes(), Path(stranger.cert_file).read_bytes())
    token = (secured.data_dir / "admin-token").read_text().strip()
    for channel in (
        grpc.insecure_channel(secured.addresses[component]),
        grpc.secure_channel(secured.addresses[component], grpc.ssl_channel_credentials(trusted)),
        grpc.secure_channel(secured.addresses[component], grpc.ssl_channel_credentials(trusted, *own)),
    ):
        call = channel.unary_unary("/grpc.health.v1.Health/Check")
        with pytest.raises(grpc.RpcError) as refusal:
            call(b"", metadata=(("authorization", f"Bearer {token}"),), timeout=5)
        channel.close()
        assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_component_takes_api_tokens_over_tls(secured: SecuredStack) -> None:
    files = secured.certificates["gateway"].read()
    credentials = grpc.ssl_channel_credentials(files.ca, files.key, files.cert)
    token = (secured.data_dir / "admin-token").read_text().strip()
    with grpc.secure_channel(secured.addresses["library"], credentials) as channel:
        stub = pb_grpc.TrackServiceStub(channel)
        stub.ListTracks(pb.ListTracksRequest(), metadata=(("authorization", f"Bearer {token}"),), timeout=60)


def test_the_example_verifies_the_components_with_the_ca(secured: SecuredStack, tmp_path: Path) -> None:
    (tmp_path / "song.wav").write_bytes(encoded(song(2.0)))
    library, separation = secured.token_addresses["library"], secured.token_addresses["separation"]

    def run(ca: str) -> subprocess.CompletedProcess[str]:
        addresses = ["--api", secured.url, "--library", library, "--separation", separation, "--ca", ca]
        program = [sys.executable, "examples/separate.py", str(tmp_path / "song.wav"), "--model", "dsp"]
        command = [*program, "--data", str(secured.data_dir), *addresses]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    done = run(secured.certificates["gateway"].ca_file)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-5].startswith("succeeded 100%")
    assert sorted(line.split(":")[0] for line in lines[-4:]) == ["bass", "drums", "other", "vocals"]
    refused = run(Authority(tmp_path / "other").certificates("gateway").ca_file)
    assert refused.returncode == 1
    assert "UNAVAILABLE: " in refused.stderr
    assert "CERTIFICATE_VERIFY_FAILED" in refused.stderr


def test_a_rotation_of_everything_logs_nobody_out(secured: SecuredStack, ann: Browser) -> None:
    token = token_of(ann)
    assert ann.put("/api/lalalai/key", json={"api_key": LALALAI_KEY}, headers=bearer(token)).status_code == 200
    open_form = ann.token()
    with httpx.Client(base_url=secured.url, headers=bearer(token), timeout=60) as client:
        running = asked(client, "calm piano", duration=8)["job_id"]

        (before,) = (secured.data_dir / "secret").read_text().split()
        assert "1 documents were encrypted" in secured.command("rotate-secret")
        assert (secured.data_dir / "secret").read_text().split()[1:] == [before]
        add_key_files(secured.keys, COMPONENTS)
        forget_previous_keys(secured.keys, COMPONENTS)
        successor = Authority(secured.keys.parent / "successor")
        for name, files in secured.certificates.items():
            replace(files, successor.certificates(name))

        assert ann.get("/users/settings").status_code == 200, "the session"
        answer = ann.post("/users/settings", data={"_csrf_token": open_form, "_method": "put", "action": "none"})
        assert answer.status_code == 400, "the form that was open; 403 would refuse its token"
        assert client.get("/api/tracks").status_code == 200, "the API token"
        assert client.get("/api/lalalai/quota").json()["data"]["own_key"], "the stored key"
        assert ended(client, running)["status"] == "completed", "the job that ran"
        assert ended(client, asked(client, "calm piano", duration=1)["job_id"])["status"] == "completed"
        assert upload(client, encoded(song(1.0)))["id"]

        assert "current secret only" in secured.command("rotate-secret", "--finish")
        assert len((secured.data_dir / "secret").read_text().split()) == 1
        assert client.get("/api/lalalai/quota").json()["data"]["own_key"]
        assert ann.get("/users/settings").status_code == 200
        stale = ann.post("/users/settings", data={"_csrf_token": open_form, "_method": "put", "action": "none"})
        assert stale.status_code == 403


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
