"""``python -m bench [NAME ...]``: run the named benchmarks, or all, and print what they found as Markdown.

Each is a program of its own, ``python -m bench.NAME``, with further options (``--help``), and runs in a fresh process:
what one of them loads and fills does not count against the next.
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
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the platform on this machine.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(names)} (default: all)")
    chosen = list(dict.fromkeys(parser.parse_args(arguments).names)) or names
    if unknown := sorted(set(chosen) - set(names)):
        parser.error(f"there is no benchmark {', '.join(unknown)}; use: {', '.join(names)}")
    print(f"# Benchmarks\n\n{machine()}", flush=True)
    failed = []
    for name in chosen:
        print(f"\n## {name}\n", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], cwd=HERE.parent).returncode:
            failed.append(name)
            print("\nThis benchmark failed.", flush=True)
    return 1 if failed else 0


def machine() -> str:
    """One line about where the figures come from: they mean little elsewhere."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    today = datetime.datetime.now(datetime.UTC).date()
    return (
        f"{today}, {processor()}, {os.cpu_count()} CPUs, {memory_gib:.0f} GiB, {platform.system()},"
        f" Python {platform.python_version()}."
    )


def processor() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
