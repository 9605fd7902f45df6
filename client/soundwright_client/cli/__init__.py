"""The command line: ``soundwright``. docs/CLI.md is its manual."""

from __future__ import annotations

import io
import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command that the arguments name."""
    from soundwright_client.cli.commands import app

    # A service manager that stops a command expects the same as Ctrl-C: jobs are cancelled, and an embedded server stops.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # names of files can be bytes that are no text
    app()
