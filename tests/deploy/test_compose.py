"""The files for Docker Compose: they use keys of Compose's specification, and keep the rules of the platform."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from soundwright.kit.security.signing_keys import FileKeys, component_of
from soundwright.services.__main__ import COMPONENTS
from tests.deploy.compose import DEPLOY, compose, passwords
from tests.deploy.manifests import containers, known_settings, pod_templates
from tests.servers import executable
from tests.servers.nats import ACCOUNTS

STORES = {"mongodb", "minio", "nats"}
# The keys of a service that the files may use (github.com/compose-spec/compose-spec), and those of the objects in them.
KEYS: dict[str, type] = {
    **dict.fromkeys(("image", "user", "working_dir", "restart", "network_mode", "stop_grace_period"), str),
    **dict.fromkeys(("init", "read_only"), bool),
    **dict.fromkeys(
        ("cap_add", "cap_drop", "command", "entrypoint", "env_file", "networks", "ports", "security_opt"), list
    ),
    **dict.fromkeys(("tmpfs", "volumes"), list),
    **dict.fromkeys(("build", "depends_on", "deploy", "environment", "healthcheck", "logging"), dict),
}
TIMES = ("interval", "timeout", "start_period")
KEYS_IN = {
    "build": {"context", "dockerfile", "args"},
    "deploy": {"resources"},
    "healthcheck": {"disable", "test", *TIMES},
    "logging": {"driver"},
}
DOCKERFILE = (DEPLOY / "docker" / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return passwords(tmp_path_factory.mktemp("deploy"))


@pytest.fixture(scope="module")
def content(variables: dict[str, str]) -> dict[str, Any]:
    return compose(variables)


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_a_file_has_only_keys_of_the_specification(variables: dict[str, str], name: str) -> None:
    content = compose(variables, name)
    assert {key for key in content if not key.startswith("x-")} <= {"name", "services", "volumes", "networks"}
    for service in content["services"].values():
        for key, value in service.items():
            assert isinstance(value, KEYS[key]), (name, key)
            if isinstance(value, list) and key != "env_file":
                kinds = (str, dict) if key == "volumes" else str
                assert all(isinstance(item, kinds) for item in value), (name, key)
            if isinstance(value, dict) and key in KEYS_IN:
                assert set(value) <= KEYS_IN[key], (name, key)
        times = [
            service.get("stop_grace_period", "1s"),
            *(service.get("healthcheck", {}).get(key, "1s") for key in TIMES),
        ]
        assert all(re.fullmatch(r"\d+(ms|s|m|h)", time) for time in times), name
        for value in service.get("depends_on", {}).values():
            assert value in ({"condition": "service_healthy"}, {"condition": "service_completed_successfully"}), name


def test_passwords_are_written_once_and_for_the_owner_only(tmp_path: Path) -> None:
    first = passwords(tmp_path)
    assert len(set(first.values())) == len(first)
    assert all(re.fullmatch("p[0-9a-f]{48}", password) for password in first.values())
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert passwords(tmp_path) == first


def test_all_passwords_are_used(variables: dict[str, str]) -> None:
    used = set(re.findall(r"\$\{(\w+_PASSWORD)", (DEPLOY / "compose.yaml").read_text()))
    assert used == set(variables)


def test_each_component_and_store_is_a_service(content: dict[str, Any]) -> None:
    assert set(content["services"]) == COMPONENTS.keys() | STORES | {"prepare"}


def test_services_keep_the_rules_of_the_platform(content: dict[str, Any]) -> None:
    for name, service in content["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "pid", "ipc"} & set(service), name
        assert not any("docker.sock" in str(volume) for volume in service["volumes"]), name
        assert re.search(r":\S*\d+\.\d+|:\S*\d{4}-\d{2}-\d{2}", service["image"]), f"{name} needs a version"
        if name == "prepare":
            assert service["network_mode"] == "none"
            assert service["cap_add"] == ["CHOWN"]
            continue
        assert "cap_add" not in service, name
        if name in STORES:
            assert service["user"] == "10001:10001", name
            assert service["healthcheck"]["test"], name
        else:  # the image has a user and a health check
            assert not {"user", "healthcheck", "command", "entrypoint"} & set(service), name


def test_only_the_gateway_is_published_and_only_on_this_machine(content: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in content["services"].items() if "ports" in service}
    assert published == {"gateway": ["127.0.0.1:4000:4000"]}
    assert re.search(r"^EXPOSE 4000\b", DOCKERFILE, re.M)


def test_only_the_library_reaches_the_documents(content: dict[str, Any]) -> None:
    members = {name for name, service in content["services"].items() if "documents" in service.get("networks", ())}
    assert members == {"library", "mongodb"}
    assert content["networks"]["documents"] == content["networks"]["stores"] == {"internal": True}
    assert not any("default" in content["services"][store]["networks"] for store in STORES)


def test_images_are_built_by_the_dockerfile(content: dict[str, Any], variables: dict[str, str]) -> None:
    arguments = set(re.findall(r"^ARG (\w+)", DOCKERFILE, re.M))
    with_gpu = compose(variables, "compose.gpu.yaml")["services"]
    for name in COMPONENTS:
        service = content["services"][name]
        assert service["image"].startswith(f"soundwright-{name}:")
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).samefile(
            DEPLOY / "docker" / "Dockerfile"
        )
        assert service["build"]["args"] == {"COMPONENT": name}
    for name, service in with_gpu.items():
        assert service["image"] == content["services"][name]["image"] + "-cuda"
        assert service["build"]["args"] == {"TORCH_VARIANT": "cuda"}
    assert {"COMPONENT", "TORCH_VARIANT"} <= arguments


def test_each_variable_is_a_setting(content: dict[str, Any]) -> None:
    given = {variable for name in COMPONENTS for variable in content["services"][name]["environment"]}
    assert given <= known_settings()


def test_each_component_is_a_user_of_the_broker(content: dict[str, Any]) -> None:
    services = content["services"]
    users = dict(re.findall(r"user: (\w+), password: \$(\w+)", ACCOUNTS.read_text()))
    assert set(services["nats"]["environment"]) == set(users.values())
    for name in COMPONENTS:
        environment = services[name]["environment"]
        assert environment["SOUNDWRIGHT_NATS_USER"] == name
        assert environment["SOUNDWRIGHT_NATS_PASSWORD"] == services["nats"]["environment"][users[name]]


def test_the_broker_accepts_its_configuration(content: dict[str, Any]) -> None:
    nats = content["services"]["nats"]
    (folder,) = [volume.split(":") for volume in nats["volumes"] if volume.startswith(".")]
    _, config = nats["command"]
    command = [
        executable("nats-server", "run `make setup`"), "--config",
        str(DEPLOY / folder[0] / Path(config).relative_to(folder[1])), "-t",
    ]  # fmt: skip
    done = subprocess.run(command, env=nats["environment"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_volumes_networks_and_dependencies_exist(content: dict[str, Any]) -> None:
    services = content["services"]
    for name, service in services.items():
        assert set(service.get("networks", ())) <= set(content["networks"]), name
        assert set(service.get("depends_on", ())) <= set(services), name
        for volume in service["volumes"]:
            source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in content["volumes"], name
    prepared = {volume.split(":")[1] for volume in services["prepare"]["volumes"]}
    assert prepared == {"/prepare.sh", *(f"/volumes/{name}" for name in content["volumes"])}


def test_components_share_nothing_but_the_sockets_of_the_others(content: dict[str, Any]) -> None:
    for name in COMPONENTS:
        mounts = {mount["target"]: mount for mount in content["services"][name]["volumes"]}
        assert all(mount["type"] == "volume" for mount in mounts.values())
        shared = {path for path, mount in mounts.items() if "volume" not in mount}
        assert shared == {"/sockets"}, name
        assert mounts["/sockets"]["read_only"], name
        assert {mount["volume"]["subpath"] for path, mount in mounts.items() if path not in shared} == {name}
        assert mounts["/keys"]["read_only"], name
    holders = {name for name in COMPONENTS if "SOUNDWRIGHT_SECRET" in content["services"][name]["environment"]}
    assert holders == {"gateway", "library"}


def test_the_volumes_have_what_the_components_mount(tmp_path: Path, content: dict[str, Any]) -> None:
    for name in content["volumes"]:
        (tmp_path / name).mkdir()
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "chown").symlink_to("/bin/true")  # only root can give files away
    environment = {
        "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(DEPLOY.parent),
    }
    keys = []
    for _ in range(2):  # a second start keeps the keys
        subprocess.run([DEPLOY / "prepare.sh", tmp_path], env=environment, check=True)
        for name in COMPONENTS:
            for mount in content["services"][name]["volumes"]:
                assert (tmp_path / mount["source"] / mount.get("volume", {}).get("subpath", "")).is_dir()
            own = tmp_path / "keys" / name
            found = FileKeys(name, str(own / "signing.pem"), str(own / "keys.json"))
            keys.append(found.private()[0])
            assert component_of(keys[-1]) == name
            assert stat.S_IMODE(own.stat().st_mode) == 0o700
    assert keys[:6] == keys[6:]
    assert len(set(keys)) == 6


def test_a_component_outlives_the_drain_of_its_jobs(content: dict[str, Any]) -> None:
    for name in COMPONENTS:
        service = content["services"][name]
        drain_seconds = float(service["environment"]["SOUNDWRIGHT_DRAIN_SECONDS"])
        assert float(service["stop_grace_period"].removesuffix("s")) >= drain_seconds + 15, name


def test_stores_have_the_versions_of_the_manifests(content: dict[str, Any]) -> None:
    in_manifests = {
        container["image"] for folder in ("components/mongodb", "components/minio", "components/nats")
        for _, template in pod_templates(folder) for container in containers(template)
    }  # fmt: skip
    assert {content["services"][store]["image"] for store in STORES} == in_manifests
