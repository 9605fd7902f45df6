"""``python -m services <target> [<target> ...]``: run one component here, or several as processes of their own.

Targets are the components (``library ingest separation analysis generation gateway``), ``broker`` (the NATS server that
runs beside them where no other is configured) and ``all``. One target runs in this process; for several, this process
only starts, watches and stops them.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from dataclasses import dataclass

from kit.settings import SettingsError


@dataclass(frozen=True)
class Component:
    """Where a component's code lies, how much it must yield to the others on a busy machine, and how many threads its
    numeric libraries take for one operation (None: their own choice)."""

    module: str
    settings: str
    niceness: int = 0
    thread_count: int | None = 1


COMPONENTS = {
    "library": Component("services.library", "LibrarySettings"),
    "ingest": Component("services.ingest", "IngestSettings"),
    # Computing yields to answering: the gateway stays quick while jobs run on the same cores.
    "separation": Component("services.separation", "SeparationSettings", niceness=10, thread_count=None),
    "analysis": Component("services.analysis", "AnalysisSettings", niceness=10),
    "generation": Component("services.generation", "GenerationSettings", niceness=10),
    "gateway": Component("services.gateway", "GatewaySettings"),
}

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m services", description="Run components of Soundwright.")
    parser.add_argument("targets", nargs="+", choices=["all", "broker", *COMPONENTS], metavar="target")
    targets = list(dict.fromkeys(parser.parse_args(arguments).targets))
    if "all" in targets:
        targets = ["broker", *COMPONENTS]
    try:
        if len(targets) > 1:
            supervisor = importlib.import_module("services.supervisor")
            return int(supervisor.run(targets))
        if targets == ["broker"]:
            importlib.import_module("services.broker").run()
            return 0
        component = COMPONENTS[targets[0]]
        if component.thread_count is not None:
            # Short operations on small arrays: more threads only wait for each other.
            for variable in _THREAD_VARIABLES:
                os.environ.setdefault(variable, str(component.thread_count))
        # Networks ask for the same large blocks over and over, which go back to the system each time and have to be
        # cleared page by page: huge pages make that cheap. The C library of Linux reads this when a process starts, so
        # it holds for the engine processes; others ignore it.
        os.environ.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
        if component.niceness:
            os.nice(component.niceness)
        app = importlib.import_module(f"{component.module}.app").app
        settings = getattr(importlib.import_module(f"{component.module}.settings"), component.settings)
        importlib.import_module("kit.run").run_component(targets[0], settings, app)
    except SettingsError as error:
        print(f"The settings do not fit:\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
