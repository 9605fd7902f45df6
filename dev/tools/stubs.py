"""``python -m dev.tools.stubs [--check]``: generate the stubs in ``gen/`` from ``proto/``, or fail if they differ.

The stubs are committed: a checkout runs without a compiler, and reviewers see contract changes.
mypy-protobuf writes the ``.pyi`` files; those of services are for ``grpc.aio`` only, which the platform uses.
"""

from __future__ import annotations

import filecmp
import shutil
import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[2]


def generate(target: Path) -> None:
    """Write all stubs to the folder ``target``: modules, and their types for mypy."""
    proto = ROOT / "proto"
    well_known = str(resources.files("grpc_tools") / "_proto")
    files = sorted(str(path.relative_to(proto)) for path in proto.rglob("*.proto"))
    services = [name for name in files if name.endswith("_service.proto")]
    scripts = Path(sys.executable).parent
    plugins = [f"--plugin={name}={scripts / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    for flags, sources in (
        ([f"--python_out={target}", f"--mypy_out=quiet,readable_stubs:{target}"], files),
        ([f"--grpc_python_out={target}", f"--mypy_grpc_out=quiet,only_async:{target}"], services),
    ):
        if protoc.main(["protoc", f"-I{proto}", f"-I{well_known}", *plugins, *flags, *sources]) != 0:
            raise SystemExit("The files in proto/ do not compile.")


def main(arguments: list[str]) -> int:
    """Generate the stubs, or with ``--check`` compare them with the committed ones. Return the exit status."""
    committed = ROOT / "gen" / "soundwright"
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = Path(folder) / "soundwright"
        if "--check" not in arguments:
            shutil.rmtree(committed, ignore_errors=True)
            shutil.copytree(fresh, committed)
            return 0
        names = {p.relative_to(fresh) for p in fresh.rglob("*.py*")}
        kept = {p.relative_to(committed) for p in committed.rglob("*.py*") if "__pycache__" not in p.parts}
        drift = sorted(
            str(name)
            for name in names | kept
            if name not in names & kept or not filecmp.cmp(fresh / name, committed / name, shallow=False)
        )
    if drift:
        print("gen/ differs from proto/. Run `make proto`:\n  " + "\n  ".join(drift))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
