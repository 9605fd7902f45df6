"""docs/ARCHITECTURE.md names every folder, and only files and folders that exist."""

import itertools
import re
import subprocess
from pathlib import Path, PurePath

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
FILES = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
BASES = ("", "services", "services/gateway", "services/library", "proto/soundwright/library/v1")
DEPTHS = {"kit": 2, "services": 3, "deploy": 2, "dev": 2, "tests": 2}
"""How deep each folder of a top-level folder has a line of its own; otherwise only the top-level folder has."""


def expanded(path: str) -> list[str]:
    """Return the paths for which ``a/{b,c}/`` stands."""
    parts = [part.split(",") for part in re.split(r"[{}]", path)]
    return ["".join(each).rstrip("/") for each in itertools.product(*parts)]


def tree() -> set[str]:
    """Return the paths in the first column of the table of the source tree."""
    table = TEXT.partition("## Source tree")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    return {path for cell in cells for name in re.findall(r"`([^`]+)`", cell) for path in expanded(name)}


def test_the_source_tree_has_every_folder_and_no_other() -> None:
    folders = {str(folder) for file in FILES for folder in PurePath(file).parents if not file.startswith(".")} - {"."}
    named = tree()
    assert {path for path in named if "/" in path and not path.endswith(".py")} <= folders
    within = {path for path in folders if len(PurePath(path).parts) <= DEPTHS.get(PurePath(path).parts[0], 1)}
    # A line about a folder in a folder is a line about both.
    assert within - named - {str(parent) for path in named for parent in PurePath(path).parents} == set()


def test_every_file_that_the_text_names_exists() -> None:
    named = {name for name in re.findall(r"`([\w/-]+(?:/[\w-]+)*\.(?:py|proto))`", TEXT) if "<" not in name}
    missing = {name for name in named if "/" in name and not any((ROOT / base / name).exists() for base in BASES)}
    assert len(named) > 20
    assert missing == set()
