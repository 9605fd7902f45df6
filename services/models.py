"""``python -m soundwright.services.models [--accept | --withdraw] [MODEL ...]`` (``make models``): list models and download missing weights.

Weights go to the cache of the model hub (``HF_HOME``), from which the services load them without the network. If the authors
of a model state no licence of its weights, the command asks before it downloads them, and records the answer in the library,
from which running services read it. ``--withdraw`` deletes that answer.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from soundwright.kit import infra
from soundwright.kit.adapters.system.clock import SystemClock
from soundwright.kit.engines import EngineRegistry, ModelDeclaration
from soundwright.kit.engines.consents import terms
from soundwright.kit.engines.hub import require_hub
from soundwright.kit.errors import AppError
from soundwright.kit.settings import SettingsError, load
from soundwright.services.analysis.registry import build_registry as build_analysis
from soundwright.services.analysis.settings import AnalysisSettings
from soundwright.services.generation.registry import build_registry as build_generation
from soundwright.services.generation.settings import GenerationSettings
from soundwright.services.library.identity.app import build_identity
from soundwright.services.library.identity.consents import Consents, operator
from soundwright.services.library.schema import migrate
from soundwright.services.library.settings import LibrarySettings
from soundwright.services.separation.registry import build_registry as build_separation
from soundwright.services.separation.settings import SeparationSettings

_ACCEPT = "--accept"
_WITHDRAW = "--withdraw"
T = TypeVar("T")


def build_registries(read_settings: Callable[[type[Any]], Any] = load) -> dict[str, EngineRegistry[Any]]:
    """Return the registry of each service that has engines.

    Args:
        read_settings: returns the settings of a class; by default from the environment.
    """
    # The GPU may be in use by the services, and a download does not need it.
    separation = read_settings(SeparationSettings).model_copy(update={"separation_device": "cpu"})
    generation = read_settings(GenerationSettings).model_copy(update={"generation_device": "cpu"})
    return {
        "separation": build_separation(separation),
        "generation": build_generation(generation),
        "analysis": build_analysis(read_settings(AnalysisSettings).analysis_whisper_dir, downloads=True),
    }


def size_text(declaration: ModelDeclaration) -> str:
    if not declaration.needs_weights:
        return "none"
    return "unknown" if declaration.size_bytes is None else f"{declaration.size_bytes / 1e6:.0f} MB"


def main(arguments: list[str]) -> int:
    """List the models that ``arguments`` name, or all, and download what is missing. Returns the exit status."""
    options, names = (
        set(arguments) & {_ACCEPT, _WITHDRAW},
        [each for each in arguments if each not in (_ACCEPT, _WITHDRAW)],
    )
    try:
        registries = build_registries().values()
    except SettingsError as error:
        sys.stderr.write(f"The settings are not valid:\n{error}\n")
        return 1
    registry_of = {model.name: registry for registry in registries for model in registry.declarations()}
    if unknown := [name for name in names if name not in registry_of]:
        sys.stderr.write(f"There is no model {unknown[0]!r}. Use one of: {', '.join(registry_of)}.\n")
        return 1
    if _WITHDRAW in options:
        return _withdraw({name: registry_of[name] for name in names})
    chosen = {name: registry_of[name] for name in names or registry_of}
    present = {name for name, registry in chosen.items() if registry.engine(name).is_present(name)}
    _list((registry.declaration(name) for name, registry in chosen.items()), present)
    if any(registry.needs_consent(name) for name, registry in chosen.items()):
        _read_consents(chosen)
    for name in names:  # without names, nobody has asked for weights without a licence
        if chosen[name].needs_consent(name):
            _ask(name, chosen[name], _ACCEPT in options)
    refused = {name: problem for name, registry in chosen.items() if (problem := _refusal(name, registry))}
    for name, problem in refused.items():
        sys.stderr.write(f"{name}: {problem}\n")
    chosen = {name: registry for name, registry in chosen.items() if name not in refused}
    # Models without a source on the hub come from their mirrors.
    if any(registry.declaration(name).source for name, registry in chosen.items() if name not in present):
        try:
            require_hub()
        except ConnectionError as error:
            sys.stderr.write(f"{error}\n")
            return 1
    # Models that are present are loaded too: this finds damaged files and files that the first look does not know.
    failed = [name for name, registry in chosen.items() if not _fetch(name, registry)]
    # All models without names means: all that may be used.
    return 1 if failed or (names and refused) else 0


def _list(declarations: Iterable[ModelDeclaration], present: set[str]) -> None:
    rows = [("model", "licence", "size", "weights", "source")]
    for declared in declarations:
        state = "present" if declared.name in present else "missing"
        rows.append(
            (
                declared.name,
                declared.licence,
                size_text(declared),
                state if declared.needs_weights else "not needed",
                declared.source or _origin(declared),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")
    sys.stdout.flush()


def _origin(declared: ModelDeclaration) -> str:
    """Return where a model comes from that is not on the hub."""
    if declared.has_mirrors:
        return "mirrors"
    return "this machine" if declared.needs_weights else "built in"


def _read_consents(chosen: dict[str, EngineRegistry[Any]]) -> None:
    """Allow what somebody has allowed on this server before."""
    if _has_record():
        allowed = frozenset(_with_consents(lambda consents: consents.models()))
        for registry in chosen.values():
            registry.allowed = allowed


def _has_record() -> bool:
    """Return whether this server has a document store, or may have one that is elsewhere."""
    location = urlsplit(load(LibrarySettings).docs_location())
    return location.scheme != "sqlite" or Path(location.path).exists()


def _ask(name: str, registry: EngineRegistry[Any], is_accepted: bool) -> None:
    """Show what is known about a licence, ask whether the weights may be used, and record it if so."""
    declared = registry.declaration(name)
    sys.stdout.write(
        f"\n{name}: {declared.description}\n"
        f"  Download: {size_text(declared)} from {declared.source or _origin(declared)}\n"
        f"  Licence of the weights: {declared.licence}\n"
        f"  {declared.licence_note}\n"
        "You decide whether you may use these weights. Your answer is recorded with your name and the date.\n"
    )
    if not is_accepted and sys.stdin.isatty():
        sys.stdout.write(f"Use {name} on this server? [y/N] ")
        sys.stdout.flush()
        is_accepted = sys.stdin.readline().strip().lower() in ("y", "yes")
    elif not is_accepted:
        sys.stdout.write("To allow them, run the command in a terminal, or with ACCEPT=1.\n")
    if is_accepted:
        _with_consents(lambda consents: consents.allow(operator(), name, terms(declared)))
        registry.allowed |= {name}


def _withdraw(chosen: dict[str, EngineRegistry[Any]]) -> int:
    """End the consent to models. Returns the exit status."""
    if not chosen:
        sys.stderr.write("Name the model whose consent you withdraw: make models MODEL=htdemucs WITHDRAW=1\n")
        return 1
    for name, registry in chosen.items():
        withdraw = partial(Consents.withdraw, actor=operator(), model=name)
        if not (_has_record() and _with_consents(withdraw)):
            sys.stdout.write(f"{name}: nobody has allowed it here\n")
        else:
            sys.stdout.write(
                f"{name}: withdrawn; new jobs do not use it. Its files stay in the cache of the model hub.\n"
            )
        is_installed = registry.engine(name).is_installed()
        if is_installed and not registry.needs_consent(name) and not registry.declaration(name).is_licensed:
            sys.stdout.write(f"{name}: SOUNDWRIGHT_UNLICENSED_MODELS or its own files still allow it\n")
    return 0


def _with_consents(work: Callable[[Consents], Awaitable[T]]) -> T:
    """Run ``work`` with the record of the library, while the stack runs or not."""

    async def run() -> T:
        settings = load(LibrarySettings)
        settings.prepare_folders()
        async with infra.closing(infra.open_docs(settings)) as docs:
            await migrate(docs)
            identity = build_identity(docs, settings, SystemClock())
            await identity.prepare()
            return await work(identity.consents)

    return asyncio.run(run())


def _refusal(name: str, registry: EngineRegistry[Any]) -> str:
    """Return why the weights of a model may not be used, or cannot; empty if they may."""
    try:
        registry.require_allowed(name)
        if not registry.engine(name).is_installed():
            registry.engine(name).load(name)  # says what to install
    except AppError as error:
        return error.message
    return ""


def _fetch(name: str, registry: EngineRegistry[Any]) -> bool:
    """Load a model once and return whether it can be loaded."""
    if not registry.declaration(name).needs_weights:
        return True
    engine = registry.engine(name)
    try:
        engine.load(name)
    except AppError as error:
        sys.stderr.write(f"{name}: {error.message}\n")
        return False
    engine.unload(name)
    sys.stdout.write(f"{name}: ready\n")
    sys.stdout.flush()
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
