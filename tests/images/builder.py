"""Builds the images and runs their processes without a container engine.

``buildah`` builds the Dockerfile in a chroot, on a Debian base made by ``debootstrap``. A process of an image runs as the
image's user on the image's file system, which is mounted read-only. Both need root on Linux.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.servers import executable

__all__ = ["ROOT", "Image", "ImageBuilder"]

ROOT = Path(__file__).parents[2]
_BASE = "localhost/soundwright-test-base"
_BUILD_SECONDS = 7200  # for a machine that is busy with other work

# $1: file system of the image, $2: user ID, $3: group ID, $4: working directory, $5: capabilities that it may have, $6: "ro" if it
# is read-only; then mounts (SOURCE:TARGET:OPTION, or TARGET for a tmpfs), "--", and a command with its environment.
_RUN = """
set -e
root=$1 user=$2 group=$3 directory=$4 capabilities=$5 mode=$6
shift 6
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do
  case $1 in
    *:*)
      source=${1%%:*} rest=${1#*:}
      target=$root${rest%%:*}
      if [ -f "$source" ]; then touch "$target"; else mkdir -p "$target"; fi
      mount --bind "$source" "$target"
      [ "${rest#*:}" != ro ] || mount -o remount,bind,ro "$target" ;;
    *) mount -t tmpfs -o noexec,nosuid,nodev tmpfs "$root$1" ;;
  esac
  shift
done
shift
[ "$mode" != ro ] || mount -o remount,bind,ro "$root"
exec chroot "$root" /usr/bin/setpriv --reuid "$user" --regid "$group" --clear-groups --no-new-privs \\
  --inh-caps=-all --bounding-set="$capabilities" /usr/bin/env --ignore-environment --chdir="$directory" "$@"
"""


@dataclass(frozen=True)
class Image:
    """A file system with a way to run it.

    Attributes:
        config: the ``config`` object of the image (OCI image specification).
    """

    root: Path
    config: Mapping[str, Any]

    def size_bytes(self, folder: str = "opt") -> int:
        """Return the size of a folder."""
        return sum(path.lstat().st_size for path in (self.root / folder).rglob("*"))

    def command(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        mounts: Sequence[str],
        *,
        user: str = "",
        directory: str = "",
        capabilities: Sequence[str] = (),
        read_only: bool,
    ) -> list[str]:
        """Return the command that runs ``argv`` in the image.

        Args:
            mounts: ``SOURCE:TARGET:ro`` or ``SOURCE:TARGET:rw``, or ``TARGET`` for a temporary file system.
            user: ``UID:GID``, if it is not the user of the image.
            directory: the working directory, if it is not that of the image.
            capabilities: those that the process may have.
        """
        own = dict(pair.split("=", 1) for pair in self.config["Env"])
        bounding = ",".join(["-all", *(f"+{name.lower()}" for name in capabilities)])
        return [
            "unshare", "--mount", "--propagation=private", "sh", "-c", _RUN, "run",
            str(self.root), *(user or self.config["User"]).split(":"), directory or self.config["WorkingDir"], bounding,
            "ro" if read_only else "rw", *mounts, "--",
            *(f"{name}={value}" for name, value in (own | dict(environment)).items()), *argv,
        ]  # fmt: skip


class ImageBuilder:
    """Builds images in a folder, which keeps the base image for the next run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._built: list[str] = []
        self._buildah = executable("buildah", "apt-get install buildah")
        self._storage = ["--root", str(folder / "storage"), "--runroot", str(folder / "run"), "--storage-driver", "vfs"]

    def image(self, component: str) -> Image:
        """Build the image of a component and return it."""
        name = f"localhost/soundwright-{component}"
        mounts = [part for path in _pip_files() for part in ("--volume", f"{path}:{path}:ro")]
        self._run(
            "build", "--isolation", "chroot", "--format", "docker", "--network", "host", "--pull-never",
            "--file", "deploy/docker/Dockerfile", "--ignorefile", "deploy/docker/Dockerfile.dockerignore",
            "--build-arg", f"BASE_IMAGE={self.base}", "--build-arg", f"COMPONENT={component}",
            *mounts, "--tag", name, ".",
        )  # fmt: skip
        self._built.append(name)
        config = json.loads(self._run("inspect", "--type", "image", name))["Docker"]["config"]
        return Image(self._container(name), config)

    def program(self, entry: Sequence[str], *files: Path, environment: Mapping[str, str] | None = None) -> Image:
        """Return the base image with files or folders of this machine in ``/opt``, for a server that has no image here."""
        root = self._container(self.base)
        for file in files:
            copy = shutil.copytree if file.is_dir() else shutil.copy
            copy(file, root / "opt" / file.name)
        variables = {"PATH": "/opt:/usr/bin:/bin"} | dict(environment or {})
        pairs = [f"{name}={value}" for name, value in variables.items()]
        return Image(root, {"Entrypoint": list(entry), "Env": pairs, "User": "0:0", "WorkingDir": "/"})

    def _container(self, name: str) -> Path:
        """Return a copy of an image's file system."""
        return Path(self._run("mount", self._run("from", "--pull-never", name)))

    @cached_property
    def base(self) -> str:
        """The name of the base image: Debian with Python."""
        if not self._run("images", "--quiet", "--filter", f"reference={_BASE}"):
            tree = self._folder / "base"
            shutil.rmtree(tree, ignore_errors=True)
            debootstrap = executable("debootstrap", "apt-get install debootstrap")
            packages = "--include=python3,python3-venv,ca-certificates"
            _call([debootstrap, "--variant=minbase", packages, "bookworm", str(tree)])
            container = self._run("from", "scratch")
            self._run("add", "--quiet", container, str(tree), "/")
            self._run("commit", "--quiet", "--rm", container, _BASE)
            shutil.rmtree(tree)
        return _BASE

    def close(self) -> None:
        """Remove everything but the base image."""
        self._run("rm", "--all")
        for name in self._built:
            self._run("rmi", name)

    def _run(self, command: str, *arguments: str) -> str:
        return _call([self._buildah, *self._storage, command, *arguments]).strip()


def _call(command: Sequence[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def _pip_files() -> list[str]:
    """Return the files and folders that pip's configuration on this machine names, and the configuration itself."""
    pip = [sys.executable, "-m", "pip", "config"]
    found = [
        line.strip().removesuffix(", exists: True")
        for line in _call([*pip, "debug"]).splitlines()
        if line.endswith("exists: True")
    ]
    for line in _call([*pip, "list"]).splitlines():
        for value in line.partition("=")[2].strip("'\"").split():
            # A simple index refers to files beside it.
            path = str(Path(urlsplit(value).path).parent) if value.startswith("file:") else value
            if path.startswith("/") and Path(path).exists():
                found += [path, str(Path(path).resolve())]
    return sorted(
        {path for path in found if not path.startswith(str(ROOT))}
        | {path for path in _AUTHORITIES if Path(path).exists()}
    )


# Certificates of authorities that this machine trusts: links to one another.
_AUTHORITIES = ("/etc/ssl/certs", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates")
