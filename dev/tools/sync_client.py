"""``python -m dev.tools.sync_client [--check]``: make the synchronous client of the asynchronous one, or fail if they differ."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from dev.tools.generated import ROOT, written_or_checked

PACKAGE = ROOT / "client" / "soundwright_client"
SOURCE, TARGET = PACKAGE / "_async_client.py", PACKAGE / "_sync_client.py"
_HEAD = '"""The synchronous client. ``make docs`` makes this file of ``_async_client.py``. Do not edit it."""'
_REPLACEMENTS = (
    (r"\A\"\"\".*?\"\"\"", _HEAD),
    (r"^import asyncio\n", ""),
    (r"asyncio\.sleep", "time.sleep"),
    (r"asyncio\.TimeoutError:.*", "TimeoutError:"),
    (r"asyncio\.wait_for\((.*)\(\), (\w+)\).*", r"\1(timeout=\2)"),
    (r"enter_async_context", "enter_context"),
    (r"websockets\.asyncio", "websockets.sync"),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"__a(enter|exit)__", r"__\1__"),
    (r"\ba(close|read|iter_bytes)\b", r"\1"),
    (r"\bAsync(BaseTransport|Client|ExitStack|Iterator|Job)\b", lambda match: match[1]),
)


def generate() -> str:
    """Return the synchronous client as text."""
    text = SOURCE.read_text()
    for pattern, replacement in _REPLACEMENTS:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    ruff = Path(sys.executable).with_name("ruff")
    arguments = ["--stdin-filename", str(TARGET), "-"]
    for command in (["check", "--fix", "--quiet", *arguments], ["format", *arguments]):
        text = subprocess.run([ruff, *command], input=text, capture_output=True, text=True).stdout
    return text


if __name__ == "__main__":
    sys.exit(written_or_checked(TARGET, generate(), "make docs"))
