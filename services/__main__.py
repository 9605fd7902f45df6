"""``python -m soundwright.services <target> [<target> ...]``: run one component in this process, or several in processes of their own.

Targets are the components (``library ingest separation analysis generation gateway``), ``broker`` (a NATS server) and
``all``: the components, and the broker unless ``SOUNDWRIGHT_NATS_URL`` names another one. With several targets, this process starts, supervises and stops them.
"""

import argparse
import contextlib
import gc
import importlib
import os
import signal
import sys
from dataclasses import dataclass

from soundwright.kit import log
from soundwright.kit.settings import Settings, SettingsError, load, unknown_variables


@dataclass(frozen=True)
class Component:
    """How to start a component.

    Attributes:
        module: the package that holds its ``app`` and ``settings``.
        settings: the name of its settings class.
        niceness: the increment of the process's nice value.
        thread_count: threads of numeric libraries for one operation; None: their default.
    """

    module: str
    settings: str
    niceness: int = 0
    thread_count: int | None = 1
    starts_processes: bool = True


COMPONENTS = {
    "library": Component("soundwright.services.library", "LibrarySettings", starts_processes=False),
    "ingest": Component("soundwright.services.ingest", "IngestSettings"),
    # Jobs yield the CPU, so that the gateway stays responsive on the same cores.
    "separation": Component("soundwright.services.separation", "SeparationSettings", niceness=10, thread_count=None),
    "analysis": Component("soundwright.services.analysis", "AnalysisSettings", niceness=10),
    "generation": Component("soundwright.services.generation", "GenerationSettings", niceness=10),
    "gateway": Component("soundwright.services.gateway", "GatewaySettings", starts_processes=False),
}

_SHARED_MODULES = (
    "soundwright.kit.run",
    "soundwright.kit.audio",
    "soundwright.kit.compute",
    "soundwright.kit.engines",
    "soundwright.kit.security.egress_client",
)
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main(arguments: list[str]) -> int:
    """Run the targets that ``arguments`` name. Return the exit status."""
    os.umask(0o077)  # what the platform stores is for its own user alone
    parser = argparse.ArgumentParser(
        prog="python -m soundwright.services", description="Run components of Soundwright."
    )
    parser.add_argument("targets", nargs="+", choices=["all", "broker", *COMPONENTS], metavar="target")
    targets = list(dict.fromkeys(parser.parse_args(arguments).targets))
    try:
        if "all" in targets:
            own_broker = not load(Settings).nats_url.get_secret_value()
            targets = [*(["broker"] if own_broker else []), *COMPONENTS]
        _report_unknown_variables("supervisor" if len(targets) > 1 else targets[0])
        if len(targets) == 1:
            return _run_target(targets[0])
        if sys.platform == "linux":
            _import_shared_modules()
        return int(importlib.import_module("soundwright.services.supervisor").run(targets, _run_target))
    except SettingsError as error:
        print(f"Some settings are invalid:\n{error}", file=sys.stderr)
        return 1


def _run_target(target: str) -> int:
    """Run one target in this process. Return the exit status."""
    try:
        if target == "broker":
            importlib.import_module("soundwright.services.broker").run()
            return 0
        component = COMPONENTS[target]
        if component.thread_count is not None:
            # Operations on small arrays are short: more threads would wait for each other.
            for variable in _THREAD_VARIABLES:
                os.environ.setdefault(variable, str(component.thread_count))
        # Neural networks allocate and free the same large blocks repeatedly, and the kernel clears each page every time.
        # Huge pages make that cheap. glibc reads this variable when a process starts, so it affects engine processes.
        os.environ.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
        if component.niceness:
            os.nice(component.niceness)
        app = importlib.import_module(f"{component.module}.app").app
        importlib.import_module("soundwright.kit.run").run_component(
            target, _settings_of(component), app, starts_processes=component.starts_processes
        )
    except SettingsError as error:
        print(f"Some settings are invalid:\n{error}", file=sys.stderr)
        return 1
    return 0


def _import_shared_modules() -> None:
    """Import what most components need, before the supervisor forks their processes.

    The numeric library starts its threads when it is imported. A process with threads cannot be forked.
    """
    gc.disable()  # modules live as long as the process
    variables = {variable: "1" for variable in _THREAD_VARIABLES if variable not in os.environ}
    os.environ.update(variables)
    for module in _SHARED_MODULES:
        importlib.import_module(module)
    gc.enable()
    for variable in variables:
        del os.environ[variable]


def _settings_of(component: Component) -> type[Settings]:
    kind: type[Settings] = getattr(importlib.import_module(f"{component.module}.settings"), component.settings)
    return kind


def _report_unknown_variables(process: str) -> None:
    """Log a warning for each ``SOUNDWRIGHT_*`` variable that is no setting of any component, and remove it.

    Child processes do not inherit removed variables, so a stack reports each variable once.
    """
    unknown = unknown_variables(map(_settings_of, COMPONENTS.values()))
    with contextlib.suppress(SettingsError):  # the start below reports all invalid values
        settings = load(Settings)
        log.configure(process, level=settings.log_level, fmt=settings.log_format)
        for variable, similar in unknown.items():
            hint = {"did_you_mean": similar} if similar else {}
            log.get_logger().warning("setting.unknown", variable=variable, **hint)
            del os.environ[variable]


if __name__ == "__main__":
    signal.signal(
        signal.SIGINT, signal.SIG_DFL
    )  # before a process has its own handler, Ctrl-C ends it without a traceback
    sys.exit(main(sys.argv[1:]))
