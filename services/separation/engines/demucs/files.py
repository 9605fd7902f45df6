"""Whether the files of a model are on this machine, and where. Imports no ML library."""

from pathlib import Path

from soundwright.kit.engines import ModelDeclaration, ModelFile
from soundwright.kit.engines.hub import cached_model_file


def are_present(declaration: ModelDeclaration, model_dir: Path | None) -> bool:
    """Return whether all networks of a model are in ``model_dir``, or, if that is None, in the cache of the hub."""
    name = declaration.name
    if model_dir is not None:
        definition = model_dir / f"{name}.yaml"
        if network_path(model_dir, name) is not None:
            return True  # a single network needs no definition
        signatures = _signatures(definition) if definition.is_file() else []
        return bool(signatures) and all(network_path(model_dir, signature) is not None for signature in signatures)
    declared = {file.name: file for file in declaration.files}

    def cached(filename: str) -> Path | None:
        return cached_model_file(declaration.source, declared.get(filename, ModelFile(name=filename)))

    found = cached(f"{name}.yaml")
    files = [cached(f"{signature}.safetensors") for signature in _signatures(found)] if found is not None else []
    return bool(files) and None not in files


def network_path(folder: Path, signature: str) -> Path | None:
    """Return the checkpoint of a network in a folder, safetensors before legacy files; None if there is none."""
    if not folder.is_dir():
        return None
    for path in sorted(folder.iterdir()):
        if path.name == f"{signature}.safetensors":
            return path
    legacy = (path for path in sorted(folder.iterdir()) if path.suffix == ".th" and path.is_file())
    return next((path for path in legacy if signature in (path.stem, path.stem.rpartition("-")[0])), None)


def _signatures(definition: Path) -> list[str]:
    """Return the names of the networks in a definition; an empty list if the definition is damaged."""
    import yaml  # type: ignore[import-untyped]

    try:
        return [str(signature) for signature in yaml.safe_load(definition.read_text())["models"]]
    except (yaml.YAMLError, OSError, UnicodeDecodeError, KeyError, TypeError):
        return []
