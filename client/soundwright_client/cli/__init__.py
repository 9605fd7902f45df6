"""The command line: ``soundwright``. docs/CLI.md is its manual."""

from __future__ import annotations

import io
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command that the arguments name."""
    from soundwright_client.cli.commands import app
    from soundwright_client.local import end_by_signals

    end_by_signals()  # jobs are cancelled, and an embedded server stops
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # names of files can be bytes that are no text
    app()
