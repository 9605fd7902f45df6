"""The generated password of the first administrator, kept in a file until a person has seen it.

A first start that is interrupted may have created the account already, so the next start must show the same password.
"""

import os
import secrets
from pathlib import Path

from soundwright.kit.security.private_files import write_private

_NAME = "admin-password"


def first_password(data_dir: Path) -> str:
    """Return the password to show, and to create the first account with. Empty if the settings have one, or it was shown.

    The first call generates the password and stores it with mode 0600. Later calls return it, until :func:`forget`.
    """
    if os.environ.get("SOUNDWRIGHT_ADMIN_PASSWORD"):
        return ""
    file = data_dir / _NAME
    if file.exists() and (kept := file.read_text()):
        return kept
    if (data_dir / "admin-token").exists():
        return ""
    password = secrets.token_urlsafe(12)
    write_private(file, password)
    return password


def forget(data_dir: Path) -> None:
    """Remove the file, because the password has been shown."""
    (data_dir / _NAME).unlink(missing_ok=True)
