"""The table of licences and the rule that it follows (docs/decisions/0039)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import licences
from tools.licences import Package

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "licence",
    [
        "MIT",
        "BSD License",
        "Apache Software License; MIT License",
        "GPL-2.0-only OR MIT",
        "BSD-2-Clause AND Apache-2.0 WITH LLVM-exception",
        "LGPL-2.1-or-later",
    ],
)
def test_permissive_and_weak_copyleft_licences_are_allowed(licence: str) -> None:
    assert licences.is_allowed(licence)


@pytest.mark.parametrize(
    "licence",
    [
        "",
        "UNKNOWN",
        "GPL-3.0-only",
        "AGPL-3.0-or-later",
        "MIT AND GPL-2.0-or-later",
        "MIT License; GNU General Public License v3 (GPLv3)",
        "CC-BY-NC-4.0",
        "Proprietary OR SSPL-1.0",
        "(MIT OR Apache-2.0) AND GPL-2.0-only",
        "Permission is granted to nobody.",
    ],
)
def test_other_and_unknown_licences_are_refused(licence: str) -> None:
    (problem,) = licences.problems([Package("package", "1.0", licence)])
    assert "package 1.0" in problem
    assert "not allowed" in problem


def test_an_exception_holds_for_one_package_and_its_licence() -> None:
    assert not licences.problems([Package("mutagen", "1.0", "GPL-2.0-or-later")])
    assert licences.problems([Package("mutagen", "2.0", "AGPL-3.0-or-later")])
    assert licences.problems([Package("other", "1.0", "GPL-2.0-or-later")])


def test_the_check_fails_if_a_row_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = licences.locked((ROOT / "constraints.txt").read_text())["numpy"]
    monkeypatch.setattr(licences, "DOCUMENT", tmp_path / "LICENCES.md")
    monkeypatch.setattr(licences, "installed", lambda: [Package("numpy", version, "MIT")])
    assert licences.main([]) == 0
    assert licences.main(["--check"]) == 0
    monkeypatch.setattr(licences, "installed", lambda: [Package("numpy", version, "ISC")])
    assert licences.main(["--check"]) == 1


def test_constraints_hold_one_version_and_hashes_of_each_package() -> None:
    text = (ROOT / "constraints.txt").read_text()
    entries = re.findall(r"^([^#\s]+)==\S+( \\\n    --hash=sha256:[0-9a-f]{64})+$", text, re.M)
    names = [name for name, _ in entries]
    assert len(names) == len(set(names)) == len(licences.locked(text)) > 100
    assert {"pip", "setuptools", "torch", "audiocraft"} <= set(names)
