"""``python -m tests.load [PART ...]``: put load on a stack of this machine, and print the results as Markdown.

Parts: ``throughput`` (needs wrk), ``sockets``, ``uploads``, ``overload``, ``attacks``; by default all of them.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from pathlib import Path

from bench.__main__ import machine
from tests.load import attacks, overload, sockets, throughput, uploads
from tests.stacks import embedded

SOCKETS = 2000
# The load comes from one account at one address, and shall meet the limits of the machine.
SETTINGS = {
    **{f"SOUNDWRIGHT_RATE_{name}_PER_MINUTE": "100000000" for name in ("NORMAL", "HEAVY", "POLLING", "FILES", "PAGES")},
    "SOUNDWRIGHT_CONNECTION_ADDRESS_LIMIT": "4000",
    "SOUNDWRIGHT_SOCKET_CALLER_LIMIT": str(SOCKETS),
    "HF_HUB_OFFLINE": "1",
}
_OPEN_FILES = 16_384


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="default: all")
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of throughput (default: %(default)s)")
    options = parser.parse_args(arguments)
    parts = {
        "throughput": lambda stack: throughput.report(stack, options.seconds, options.rounds),
        "sockets": lambda stack: sockets.report(stack, SOCKETS, 30),
        "uploads": lambda stack: uploads.report(stack, 200),
        "overload": lambda stack: overload.report(stack),
        "attacks": lambda stack: attacks.report(stack, options.seconds / 2),
    }
    if unknown := sorted(set(options.parts) - set(parts)):
        parser.error(f"unknown part {', '.join(unknown)}; use {', '.join(parts)}")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_OPEN_FILES, hard), hard))
    print(f"# Load\n\n{machine()}", flush=True)
    with tempfile.TemporaryDirectory(prefix="load-") as folder, embedded(Path(folder) / "data", SETTINGS) as stack:
        for name in options.parts or parts:
            print(f"\n## {name.capitalize()}\n", flush=True)
            parts[name](stack)
        assert not stack.crashes(), stack.crashes()[:3]
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
