"""What an image needs from the code: a component imports only the libraries of its group, and the health check follows it."""

import ast
import functools
import http.server
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from soundwright.services.__main__ import COMPONENTS
from tests.deploy.compose import DEPLOY

ROOT = DEPLOY.parent
distributions = functools.cache(importlib.metadata.packages_distributions)


@functools.cache
def requirements(library: str) -> list[str]:
    """Return what a library requires. audiocraft is installed without what it requires."""
    if library == "soundwright":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        extras = project["optional-dependencies"].items()
        return project["dependencies"] + [f'{each}; extra == "{extra}"' for extra, needed in extras for each in needed]
    try:
        return [] if library == "audiocraft" else importlib.metadata.requires(library) or []
    except importlib.metadata.PackageNotFoundError:
        return []  # it is for another platform


def installed(component: str) -> set[str]:
    """Return the libraries that ``pip install .[component]`` installs, those that deploy/docker/install.sh adds, and those of `make lyrics`."""
    found: set[str] = set()
    more = {"analysis": [("soundwright", "lyrics")], "generation": [("audiocraft", "")]}
    pending = [("soundwright", component), *more.get(component, ())]
    while pending:
        name, extra = pending.pop()
        if f"{name}[{extra}]" in found:
            continue
        found |= {name, f"{name}[{extra}]"}
        for requirement in map(Requirement, requirements(name)):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                pending += [(_normal(requirement.name), each) for each in ("", *requirement.extras)]
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(component: str) -> dict[str, str]:
    """Return the modules of libraries that a component imports, each with a file that does.

    What functions of ``kit`` import is left out: they import the libraries of a store when they open it.
    """
    found: dict[str, str] = {}
    folder = ROOT / "services" / component
    pending = [*folder.rglob("*.py"), ROOT / "services" / "__main__.py"]
    seen = set(pending)
    for path in pending:
        for name in _imports_of(path, path.is_relative_to(folder)):
            place = ROOT.joinpath(*name.split(".")[1:])
            if name.partition(".")[0] != "soundwright":
                found.setdefault(name.partition(".")[0], str(path))
            for file in (place.with_suffix(".py"), place / "__init__.py"):
                if file.exists() and file not in seen:
                    seen.add(file)
                    pending.append(file)
    return found


@functools.cache
def _imports_of(path: Path, everywhere: bool) -> tuple[str, ...]:
    return tuple(_imports(ast.parse(path.read_text()), everywhere=everywhere))


def _imports(node: ast.AST, *, everywhere: bool) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield str(child.module)
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif everywhere or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _imports(child, everywhere=everywhere)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_imports_only_libraries_of_its_group(component: str) -> None:
    libraries, here = distributions(), installed(component)
    absent = {
        name: path
        for name, path in imported(component).items()
        if name not in sys.stdlib_module_names and not any(_normal(owner) in here for owner in libraries.get(name, ()))
    }
    assert absent == {}


def test_only_components_with_networks_contain_pytorch() -> None:
    assert {name for name in COMPONENTS if "torch" in installed(name)} == {"analysis", "separation", "generation"}


def test_the_health_check_follows_the_component() -> None:
    found = re.search(r"^HEALTHCHECK .*? CMD exec (python3 -S -c .*?[^\\])$", dockerfile(), re.M | re.S)
    assert found
    answers = [HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE]

    class Component(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/livez"
            self.send_response(answers.pop(0))
            self.end_headers()

    with http.server.HTTPServer(("127.0.0.1", 0), Component) as server:
        threading.Thread(target=server.serve_forever).start()
        environment = {**os.environ, "SOUNDWRIGHT_OPS_BIND": f"0.0.0.0:{server.server_port}"}
        command = ["/bin/sh", "-c", found[1].replace("\\\n", "").replace("python3", sys.executable)]
        statuses = [subprocess.run(command, env=environment, check=False).returncode for _ in range(2)]
        server.shutdown()
    assert statuses == [0, 1]
    assert subprocess.run(command, env=environment, check=False, stderr=subprocess.PIPE).returncode == 1


def test_root_installs_no_package_and_each_file_has_a_hash() -> None:
    build = dockerfile().split("FROM ")[1]
    assert build.index("USER build") < min(build.index("install.sh dependencies"), build.index("install.sh project"))
    script = (DEPLOY / "docker" / "install.sh").read_text()
    for command in re.findall(r"pip install [^\n]*", script):
        checked = (
            "--require-hashes --",
            "--constraint constraints.txt",
            "--no-deps --force-reinstall",
        )  # the last: our code
        assert any(option in command for option in checked), command
    listed = [line for line in (DEPLOY / "docker" / "sbom.txt").read_text().splitlines() if "==" in line]
    assert len(listed) > 20
    assert all(line.endswith("\\") for line in listed), "hashes follow each version"


def test_the_index_of_pytorch_needs_the_hash_of_its_file(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "docker" / "install.sh", tmp_path)
    shutil.copy(ROOT / "constraints.txt", tmp_path)
    script = (tmp_path / "install.sh").read_text().replace("/opt/soundwright", str(tmp_path / "home"))
    (tmp_path / "install.sh").write_text(
        re.sub(r'^  ("\$home/bin/python" -m pip|python3 -m venv)', r"  : \1", script, flags=re.M)
    )
    command = ["/bin/sh", "install.sh", "dependencies", "separation", "cpu"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PATH": os.environ["PATH"], "TORCH_INDEX": "https://index.example"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode != 0, "TORCH_SHA256" in done.stderr) == (True, True)


def dockerfile() -> str:
    return (DEPLOY / "docker" / "Dockerfile").read_text()
