"""``python -m dev.tools.models_doc [--check]``: write what is generated from the declarations of models, or fail if it differs.

Two files are generated: the table in ``docs/MODELS.md``, and the names of the generation models for the gateway, which
needs them before the generation service has started.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from soundwright.kit.engines import EngineRegistry, ModelDeclaration
from soundwright.services.models import build_registries, size_text

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = "docs/MODELS.md"
NAMES = "services/gateway/dialects/soundbox/model_names.py"


def generate() -> dict[str, str]:
    """Return the content of each generated file."""
    # Defaults, not the environment of the caller.
    registries = build_registries(lambda settings: settings.model_construct())
    return {DOCUMENT: _document(registries), NAMES: _names(registries["generation"])}


def _document(registries: dict[str, EngineRegistry[Any]]) -> str:
    lines = [
        "# Models",
        "",
        "This file is generated from the declarations in `services/*/engines/` by `python -m dev.tools.models_doc`. Do not edit it.",
        "",
        "`make models` downloads the weights of all models. Models without weights are part of Soundwright. *Fallback* is the",
        "model that runs when the weights are missing and `SOUNDWRIGHT_FALLBACK=true`. *Unknown* marks facts that have not been",
        "verified.",
    ]
    for service, registry in registries.items():
        lines += ["", f"## {service.capitalize()}", ""]
        lines.append(
            "| model | engine | architecture | description | outputs | sample rate | licence of the code | licence of the weights |"
            " weights | size | memory | GPU memory | fallback |"
        )
        lines.append("|---" * 13 + "|")
        for declared in registry.declarations():
            lines.append(f"| {' | '.join(_cells(declared, registry))} |")
        lines += _gains(registry) + _scores(registry) + _files(registry)
        lines += _licence_notes(registry)
        default = f"`{registry.default_model}` is the default model."
        internal = [f"`{declared.name}`" for declared in registry.declarations() if not declared.listed]
        lines += ["", default + (f" Requests cannot name {' or '.join(internal)}." if internal else "")]
    return "\n".join(lines) + "\n"


def _cells(declared: ModelDeclaration, registry: EngineRegistry[Any]) -> list[str]:
    repository = f"[{declared.source}](https://huggingface.co/{declared.source})"
    rate = "as the input" if declared.sample_rate_hz is None else f"{declared.sample_rate_hz} Hz"
    return [
        f"`{declared.name}`",
        f"`{registry.engine(declared.name).name}`",
        declared.architecture,
        declared.description,
        ", ".join(declared.outputs),
        rate,
        declared.code_licence,
        declared.weights_licence or "none needed",
        repository if declared.source else _origin(declared),
        size_text(declared),
        _memory(declared.memory_bytes),
        _memory(declared.device_memory_bytes),
        f"`{declared.fallback}`" if declared.fallback else "none",
    ]


def _origin(declared: ModelDeclaration) -> str:
    """Return where the weights of a model come from that is not on the hub."""
    if declared.has_mirrors:
        return "mirrors"
    return "part of Soundwright" if declared.needs_weights else "none"


def _memory(size_bytes: int | None) -> str:
    return "unknown" if size_bytes is None else "none" if size_bytes == 0 else f"{size_bytes / 1e9:.1f} GB"


def _licence_notes(registry: EngineRegistry[Any]) -> list[str]:
    names: dict[str, list[str]] = {}
    for declared in registry.declarations():
        names.setdefault(declared.licence_note, []).append(f"`{declared.name}`")
    return [line for note, models in names.items() if note for line in ("", f"{', '.join(models)}: {note}")]


def _gains(registry: EngineRegistry[Any]) -> list[str]:
    known = [declared for declared in registry.declarations() if declared.gains]
    stems = list(dict.fromkeys(stem for declared in known for stem in declared.outputs))
    rows = []
    for declared in known:
        gains = {gain.stem: f"{gain.db:+.1f}" for gain in declared.gains}
        how = "measured" if all(gain.is_measured for gain in declared.gains) else "estimated"
        rows.append(f"| `{declared.name}` | {how} | {' | '.join(gains.get(stem, '') for stem in stems)} |")
    header = [
        "",
        "`auto` compares models by their gains: the mean improvement of the SI-SDR over the mix on excerpts of real songs",
        "([BENCHMARKS.md](BENCHMARKS.md)), in dB. Weights that could not be fetched were not measured. Their",
        "gains are estimated from published scores (`services/separation/engines/scale.py`). An estimate says which of two models is",
        "better, and not how good it is on the excerpts.",
        "",
        f"| model | gains | {' | '.join(stems)} |",
        f"|---|---|{'---:|' * len(stems)}",
    ]
    return header + rows if rows else []


def _scores(registry: EngineRegistry[Any]) -> list[str]:
    rows = [
        f"| `{declared.name}` | {score.stem or 'mean'} | {score.sdr_db:.2f} dB | {score.test_set} | {score.source} |"
        for declared in registry.declarations()
        for score in declared.scores
    ]
    header = ["", "| model | stem | published SDR | test set | source |", "|---|---|---|---|---|"]
    return header + rows if rows else []


def _files(registry: EngineRegistry[Any]) -> list[str]:
    rows = []
    for declared in registry.declarations():
        for file in declared.files:
            size = "unknown" if file.size_bytes is None else f"{file.size_bytes} bytes"
            mirrors = " ".join(file.mirrors) or "none"
            rows.append(f"| `{declared.name}` | `{file.name}` | {size} | {file.sha256 or 'unknown'} | {mirrors} |")
    header = ["", "| model | file | size | SHA-256 | mirrors |", "|---|---|---|---|---|"]
    return header + rows if rows else []


def _names(generation: EngineRegistry[Any]) -> str:
    names = ", ".join(f'"{name}"' for name in generation.model_names)
    return (
        '"""Names of the generation models. Generated by ``python -m dev.tools.models_doc``; do not edit."""\n\n'
        f"MODELS = ({names})\n"
    )


def main(arguments: list[str]) -> int:
    drift = []
    for name, content in generate().items():
        path = ROOT / name
        if path.exists() and path.read_text() == content:
            continue
        drift.append(name)
        if "--check" not in arguments:
            path.write_text(content)
    if drift and "--check" in arguments:
        print(f"{' and '.join(drift)} differ from the declarations; run `make docs`.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
