"""Registers a checkpoint of this machine as a model, without the network.

The checkpoint is read as the engine reads it, so that a file that could run code, is damaged or does not fit is refused.
It is copied into the folder of models, with its configuration if it needs one. Its architecture, stems, size and SHA-256
are recorded beside it.
"""

import argparse
import hashlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from soundwright.kit import errors
from soundwright.kit.durable import make_folder
from soundwright.kit.engines import NONE_STATED
from soundwright.kit.errors import AppError
from soundwright.kit.security.private_files import write_private
from soundwright.kit.settings import SettingsError, load
from soundwright.kit.weights import ImportedModel, imported_models, write_record
from soundwright.services.separation.choice import AUTO
from soundwright.services.separation.engines.demucs import DemucsEngine
from soundwright.services.separation.engines.roformer import RoformerEngine
from soundwright.services.separation.engines.roformer.config import (
    UnsupportedConfig,
    config_path,
    parse_config,
    read_config,
)
from soundwright.services.separation.registry import build_registry
from soundwright.services.separation.settings import SeparationSettings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_KINDS = (
    "a Demucs checkpoint (.safetensors, .th), or a RoFormer checkpoint (.safetensors, .ckpt) beside its configuration"
)


def main(arguments: Sequence[str]) -> int:
    """Run the command. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m soundwright.services.separation")
    commands = parser.add_subparsers(dest="command", required=True)
    importing = commands.add_parser("import", help="register a checkpoint of this machine as a model")
    importing.add_argument("file", type=Path, help=_KINDS)
    importing.add_argument("--name", default="", help="name of the model in requests; the name of the file by default")
    importing.add_argument("--licence", default=NONE_STATED, help="licence of the weights, as an SPDX identifier")
    wanted = parser.parse_args(arguments)
    try:
        model = import_checkpoint(load(SeparationSettings), wanted.file, wanted.name, wanted.licence)
    except SettingsError as error:
        sys.stderr.write(f"The settings are not valid:\n{error}\n")
        return 1
    except AppError as error:
        sys.stderr.write(f"{error.reason}: {error.message}\n")
        return 1
    sys.stdout.write(
        f"Registered {model.name}: {model.architecture}, run by {model.engine}.\n"
        f"Stems: {', '.join(model.outputs)}.\n"
        f"File: {model.file}, {model.size_bytes} bytes, SHA-256 {model.sha256}.\n"
        f"Licence of the weights: {model.licence}.\n"
        "Restart the separation service. After that, requests can name the model.\n"
    )
    return 0


def import_checkpoint(settings: SeparationSettings, file: Path, name: str, licence: str) -> ImportedModel:
    """Copy a checkpoint into the folder of models, and record what it is.

    A checkpoint that was imported under the same name is replaced.

    Args:
        name: the name of the model; empty for the name of the file.

    Raises ``IMPORT_REFUSED`` with what to do, ``CHECKPOINT_UNTRUSTED`` if reading the file could run code,
    ``MODEL_UNSUPPORTED`` if the engine cannot run it.
    """
    folder = settings.separation_model_dir
    if folder is None:
        raise _refused("There is no folder of models. Set SOUNDWRIGHT_SEPARATION_MODEL_DIR to one.")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _refused(f"The file cannot be read: {error.strerror}.") from error
    name = name or file.stem
    if not _NAME.fullmatch(name):
        raise _refused("The name must consist of letters, digits, underscores, points and hyphens. Set it with --name.")
    network = _read(settings, file, content, name)
    _require_fitting(settings, name, network)
    model = ImportedModel(
        name=name,
        engine=network.engine,
        architecture=network.architecture,
        outputs=network.outputs,
        file=f"{name}{file.suffix}",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        licence=licence,
    )
    _require_free(folder, model)
    make_folder(folder, mode=0o700)
    write_private(folder / model.file, content)
    if network.config:
        write_private(folder / f"{name}.yaml", network.config)
    write_record(folder, model)
    return model


@dataclass(frozen=True)
class _Network:
    """What a checkpoint contains, and its configuration if it has one."""

    engine: str
    architecture: str
    outputs: tuple[str, ...]
    config: bytes = b""


def _read(settings: SeparationSettings, file: Path, content: bytes, name: str) -> _Network:
    from soundwright.services.separation.engines.demucs import checkpoints
    from soundwright.services.separation.engines.roformer import weights

    config = config_path(file)
    try:
        if file.suffix in weights.SUFFIXES and (config or file.suffix not in checkpoints.SUFFIXES):
            return _roformer(file, content, config)
        if file.suffix in checkpoints.SUFFIXES:
            return _demucs(settings, file, content, name)
    except AppError:
        raise
    except UnsupportedConfig as error:
        raise _refused(str(error)) from error
    except Exception as error:  # whatever a damaged file makes its readers raise
        raise _refused(
            f"{file.name} is damaged or is no checkpoint of a known kind ({type(error).__name__})."
        ) from error
    raise _refused(f"The file must be {_KINDS}.")


def _demucs(settings: SeparationSettings, file: Path, content: bytes, name: str) -> _Network:
    from soundwright.services.separation.engines.demucs import checkpoints, weights

    network = checkpoints.read_network(file.name, content, settings.separation_trusted_sha256)
    outputs = weights.on_device(weights.alone(network), name, "cpu").stems
    return _Network(DemucsEngine.name, checkpoints.architecture(network), outputs)


def _roformer(file: Path, content: bytes, config: Path | None) -> _Network:
    from soundwright.services.separation.engines.roformer import weights

    if config is None:
        raise UnsupportedConfig(f"There is no configuration beside {file.name}, for example {file.stem}.yaml.")
    text = read_config(config)
    parsed = parse_config(text)
    weights.read_network(file.name, content, parsed)
    return _Network(RoformerEngine.name, parsed.architecture, parsed.outputs, text)


def _require_fitting(settings: SeparationSettings, name: str, network: _Network) -> None:
    """Check that ``name`` is free, or is that of a published Demucs model with the same stems."""
    registry = build_registry(settings)
    if name == AUTO:
        raise _refused(f"{AUTO!r} is no name for a model. Set another one with --name.")
    imported = imported_models(settings.separation_model_dir, network.engine)
    declared = next((each for each in registry.declarations() if each.name == name), None)
    if declared is None or name in imported:
        return
    if registry.engine(name).name != network.engine:
        raise _refused(f"Another engine has a model {name!r}. Set another name with --name.")
    if network.engine == RoformerEngine.name:
        raise _refused(f"{name!r} is the name of a published model. Set another name with --name.")
    if set(declared.outputs) != set(network.outputs):
        raise _refused(
            f"The stems of the checkpoint are {', '.join(network.outputs)}, and those of {name} are {', '.join(declared.outputs)}."
            " Set another name with --name."
        )


def _require_free(folder: Path, model: ImportedModel) -> None:
    """Check that the folder has no file for the model that another import did not put there."""
    from soundwright.services.separation.engines.demucs.files import network_path

    before = imported_models(folder, model.engine).get(model.name)
    names = {model.file, f"{model.name}.yaml"} if model.engine == RoformerEngine.name else set()
    found = {name for name in names if (folder / name).exists() and before is None}
    network = network_path(folder, model.name)
    if network is not None and (before is None or {network.name} != {before.file, model.file}):
        found.add(network.name)
    if found:
        raise _refused(f"The folder of models has {min(found)} already. Delete it, or set another name with --name.")


def _refused(message: str) -> AppError:
    return errors.IMPORT_REFUSED(message)
