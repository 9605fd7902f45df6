"""Whether the files of a model are on this machine. Imports no ML library."""

from __future__ import annotations

from pathlib import Path

from kit.hub import cached_file

__all__ = ["are_present"]


def are_present(model: str, repository: str, model_dir: Path | None) -> bool:
    """Return whether all networks of a model are in ``model_dir``, or, if that is None, in the cache of the hub."""
    if model_dir is not None:
        definition = model_dir / f"{model}.yaml"
        signatures = _signatures(definition) if definition.is_file() else [model]  # a single network needs none
        return bool(signatures) and all(_has_network(model_dir, signature) for signature in signatures)
    cached = cached_file(repository, f"{model}.yaml")
    signatures = [] if cached is None else _signatures(cached)
    files = [cached_file(repository, f"{signature}.safetensors") for signature in signatures]
    return bool(files) and None not in files


def _signatures(definition: Path) -> list[str]:
    """Return the names of the networks in a definition; an empty list if the definition is damaged."""
    import yaml  # type: ignore[import-untyped]

    try:
        return [str(signature) for signature in yaml.safe_load(definition.read_text())["models"]]
    except (yaml.YAMLError, OSError, UnicodeDecodeError, KeyError, TypeError):
        return []


def _has_network(folder: Path, signature: str) -> bool:
    names = (f"{signature}.safetensors", f"{signature}.th", f"{signature}-*.th")
    return any(any(folder.glob(name)) for name in names)
