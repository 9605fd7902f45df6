"""The files for Docker Compose in deploy/, with their variables replaced."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def compose(variables: Mapping[str, str], name: str = "compose.yaml") -> dict[str, Any]:
    """Return the content of a file, with values of variables from ``variables`` or their defaults.

    Raises:
        KeyError: a variable has no value.
    """

    def value(found: re.Match[str]) -> str:
        variable, operator, default = found.groups()
        return variables.get(variable, default) if operator == "-" else variables[variable]

    content: dict[str, Any] = yaml.safe_load(_VARIABLE.sub(value, (DEPLOY / name).read_text()))
    return content


def passwords(folder: Path) -> dict[str, str]:
    """Run deploy/passwords.sh for a folder, and return the variables that it wrote."""
    folder.mkdir(exist_ok=True)
    shutil.copy(DEPLOY / "passwords.sh", folder)
    subprocess.run([folder / "passwords.sh"], check=True)
    return dict(line.split("=", 1) for line in (folder / ".env").read_text().splitlines())
