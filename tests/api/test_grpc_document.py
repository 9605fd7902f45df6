"""docs/GRPC.md and examples/ work as printed, against a running stack."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from stories import encoded, song

from tests.servers import executable
from tests.stacks import Stack

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "GRPC.md").read_text()
API = "http://127.0.0.1:4000"
END = "=== end of command"
pytestmark = pytest.mark.topology("embedded")  # which the document describes


@pytest.fixture(scope="module")
def folder(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a checkout in which ``make run`` runs, with a song."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "data").mkdir()
    (folder / "data" / "run").symlink_to(stack.settings.run_dir)
    (folder / "data" / "admin-token").symlink_to(stack.data_dirs[0].resolve() / "admin-token")
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / "song.wav").write_bytes(encoded(song(5.0)))
    return folder


def session(document: str) -> list[tuple[str, list[str]]]:
    """Return the commands of a document's console blocks, each with the output that is printed below it."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```", document, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def shows(output: str, printed: list[str]) -> bool:
    """Return whether ``output`` is as printed. A line ``...`` stands for any lines, and spaces do not count."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else re.escape("".join(line.split())) + r"\n" for line in printed
    )
    squeezed = "".join("".join(line.split()) + "\n" for line in output.splitlines())
    return re.fullmatch(pattern, squeezed) is not None


def test_the_session_works_as_printed(stack: Stack, folder: Path) -> None:
    for tool in ("curl", "jq"):
        executable(tool, f"install Debian's {tool}")
    commands = session(DOCUMENT)
    assert len(commands) > 10
    script = "".join(f"{command.replace(API, stack.base_url)}\necho '{END}'\n" for command, _ in commands)
    done = subprocess.run(
        ["bash"],
        input=script,
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=True,
    )
    outputs = done.stdout.split(END + "\n")
    assert len(outputs) == len(commands) + 1
    for (command, printed), output in zip(commands, outputs, strict=False):
        assert shows(output, printed), f"{command}\n--- printed\n{chr(10).join(printed)}\n--- actual\n{output}"


def example(stack: Stack, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command that the document prints, with further arguments."""
    [command] = re.findall(r"^\.venv/bin/python (examples/.*)$", DOCUMENT, re.MULTILINE)
    program, _, *options = command.split()
    return subprocess.run(
        [sys.executable, program, *arguments, *options, "--api", stack.base_url],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_the_example_separates_a_song(stack: Stack, folder: Path, admin: httpx.Client) -> None:
    done = example(stack, folder, "song.wav")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-5].startswith("succeeded 100%")
    stems = dict(line.split(": ", 1) for line in lines[-4:])
    assert sorted(stems) == ["bass", "drums", "other", "vocals"]
    for stem in stems.values():
        seconds, size, url = re.fullmatch(r"([0-9.]+) s, (\d+) bytes, (\S+)", stem).groups()  # type: ignore[union-attr]
        assert seconds == "5.0"
        assert len(admin.get(url.removeprefix(stack.base_url)).content) == int(size)


def test_the_example_prints_the_reason_of_an_error(stack: Stack, folder: Path) -> None:
    done = example(stack, folder, "no-such-track")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("TRACK_NOT_FOUND: There is no such track.")
    refused = example(stack, folder, "no-such-track", "--token", "wrong")
    assert refused.stderr == "UNAUTHORIZED: Valid Bearer token required\n"
