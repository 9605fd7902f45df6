"""``make release VERSION=1.2.3``: check that the clone is ready for a release, and build it. docs/RELEASING.md describes the procedure.

``make version VERSION=1.2.3`` writes the version into all files that have it.
"""

from __future__ import annotations

import datetime
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "build" / "release"
COMPONENTS = ("gateway", "library", "ingest", "separation", "analysis", "generation")
WITH_CUDA = ("separation", "generation")
TWINE = "twine==7.0.0"
# The files that have the version, each with a pattern of what stands before it.
PLACES = (
    ("pyproject.toml", r'^version = "'),
    ("pyproject.toml", r'"soundwright-client=='),
    ("client/pyproject.toml", r'^version = "'),
    ("deploy/docker/Dockerfile", r"^ARG VERSION="),
    ("deploy/compose.yaml", r"^ *image: soundwright-\w+:"),
    ("deploy/compose.gpu.yaml", r"^ *image: soundwright-\w+:"),
    ("deploy/helm/soundwright/Chart.yaml", r"^(?:version|appVersion): "),
    ("deploy/k8s/overlays/dev/kustomization.yaml", r"newTag: "),
    ("deploy/k8s/overlays/prod/kustomization.yaml", r"newTag: "),
)
_NUMBER = r"\d+\.\d+\.\d+"


def main(arguments: list[str]) -> int:
    command, version = arguments
    if not re.fullmatch(_NUMBER, version):
        print(f"{version or 'The version'} is not a version. Give three numbers: make {command} VERSION=1.2.3")
        return 1
    if command == "version":
        write(version)
        return 0
    if found := list(problems(version)):
        print("\n".join(["This clone is not ready for a release:", *(f"- {each}" for each in found)]))
        return 1
    build(version)
    return 0


def write(version: str) -> None:
    """Write a version into all files, and give the changelog a heading for it."""
    for name, before in PLACES:
        path = ROOT / name
        text, count = re.subn(rf"({before}){_NUMBER}", rf"\g<1>{version}", path.read_text(), flags=re.MULTILINE)
        assert count, f"{name} has no version after {before}"
        path.write_text(text)
    changelog = ROOT / "CHANGELOG.md"
    text = changelog.read_text()
    if f"\n## {version} " not in text:
        heading = f"## Unreleased\n\n## {version} - {datetime.datetime.now(datetime.UTC):%Y-%m-%d}\n"
        changelog.write_text(text.replace("## Unreleased\n", heading, 1))


def problems(version: str) -> Iterator[str]:
    """Yield what speaks against a release of this version, each with what to do."""
    if git("status", "--porcelain"):
        yield "It has changes that are not committed. Commit them, or remove them."
    if git("branch", "--show-current") != "main":
        yield "Releases are made of the branch main. Check it out."
    if git("tag", "--list", f"v{version}"):
        yield f"The tag v{version} exists. Choose a later version."
    newer = [tag for tag in git("tag", "--list", "v*").split() if _numbers(tag) > _numbers(version)]
    if newer:
        yield f"{newer[-1]} is newer. Choose a later version."
    if not re.search(
        rf"^## {re.escape(version)} - \d{{4}}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    ):
        yield f"CHANGELOG.md has no heading for it. Run: make version VERSION={version}"
    for name, before in PLACES:
        found = re.findall(rf"{before}({_NUMBER})", (ROOT / name).read_text(), re.MULTILINE)
        if set(found) != {version}:
            yield f"{name} has the version {', '.join(sorted(set(found)))}. Run: make version VERSION={version}"


def build(version: str) -> None:
    """Build the distributions, the chart, the lists of contents and the images, as far as this machine has the tools."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    uv = str(Path(sys.executable).with_name("uv"))
    for folder in ("client", "."):
        run(uv, "build", "--quiet", "--build-constraints", "constraints.txt", "--out-dir", str(OUTPUT), folder)
    distributions = sorted(str(path) for path in OUTPUT.glob("*") if path.suffix in (".gz", ".whl"))
    run(uv, "tool", "run", TWINE, "check", "--strict", *distributions)
    client, platform = (set(zipfile.ZipFile(path).namelist()) for path in sorted(OUTPUT.glob("*.whl"), reverse=True))
    assert not client & platform, "Both distributions have the same files, so neither could be removed alone."
    for path in sorted((ROOT / "build").glob("sbom*.cdx.json")):
        shutil.copy(path, OUTPUT)
    helm = shutil.which("helm") or shutil.which("helm", path=str(ROOT / ".servers" / "helm"))
    if helm:
        run(helm, "package", "deploy/helm/soundwright", "--destination", str(OUTPUT))
    images = [f"soundwright-{name}:{version}" for name in COMPONENTS]
    images += [f"soundwright-{name}:{version}-cuda" for name in WITH_CUDA]
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "info"], capture_output=True).returncode:
        docker = None  # its daemon does not run
    for image in images if docker else ():
        name, _, tag = image.removeprefix("soundwright-").partition(":")
        given = {"COMPONENT": name, "TORCH_VARIANT": "cuda" if tag.endswith("-cuda") else "cpu", "VERSION": version}
        given["REVISION"] = git("rev-parse", "HEAD")
        options = [f"--build-arg={key}={value}" for key, value in given.items()]
        run(str(docker), "build", "--file", "deploy/docker/Dockerfile", *options, "--tag", image, ".")
    print(f"build/release contains {', '.join(sorted(path.name for path in OUTPUT.iterdir() if path.name[0] != '.'))}.")
    if not helm:
        print("The chart is missing, because Helm is not installed.")
    if not docker:
        print(f"These images are missing, because no Docker daemon runs: {', '.join(images)}.")
    print("Nothing was published. docs/RELEASING.md has the next steps.")


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
