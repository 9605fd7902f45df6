"""``python -m dev.bench [NAME ...]``: run the named benchmarks, or all of them, and print the results as Markdown.

Each benchmark is also a program, ``python -m dev.bench.NAME``, with its own options (``--help``). Each one runs in a new
process, so that its memory and caches do not affect the next one.
"""

from __future__ import annotations

import argparse
import datetime
import os
import pkgutil
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(arguments: list[str]) -> int:
    names = sorted(module.name for module in pkgutil.iter_modules([str(HERE)]) if not module.name.startswith("_"))
    parser = argparse.ArgumentParser(prog="python -m dev.bench", description="Measure the platform on this machine.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(names)} (default: all)")
    chosen = list(dict.fromkeys(parser.parse_args(arguments).names)) or names
    if unknown := sorted(set(chosen) - set(names)):
        parser.error(f"unknown benchmark {', '.join(unknown)}; use one of: {', '.join(names)}")
    print(f"# Benchmarks\n\n{machine()}", flush=True)
    failed = []
    for name in chosen:
        print(f"\n## {name}\n", flush=True)
        if subprocess.run([sys.executable, "-m", f"dev.bench.{name}"], cwd=HERE.parents[1]).returncode:
            failed.append(name)
            print("\nThis benchmark failed.", flush=True)
    return 1 if failed else 0


def machine() -> str:
    """Return a line that describes this machine. Figures of different machines cannot be compared."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    today = datetime.datetime.now(datetime.UTC).date()
    return (
        f"{today}, {processor()}, {os.cpu_count()} CPUs, {memory_gib:.0f} GiB, {platform.system()},"
        f" Python {platform.python_version()}."
    )


def processor() -> str:
    """Return the name of the processor as the operating system reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
