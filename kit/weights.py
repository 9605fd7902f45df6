"""Files of weights: their check before every load, and checkpoints that an operator has imported.

A file is read once, checked, and loaded from memory, so that what is checked is what is loaded. The expected SHA-256 is
declared with the model, was recorded when the checkpoint was imported, or is the name that the hub gave the file when it
was downloaded.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from soundwright.kit import errors
from soundwright.kit.engines.declaration import NONE_STATED, ModelDeclaration, ModelFile
from soundwright.kit.log import get_logger
from soundwright.kit.security.private_files import write_private

RECORD_SUFFIX = ".model.json"
log = get_logger()


def read_verified(path: Path, sha256: str | None, model: str) -> bytes:
    """Return the content of a file after a check of its digest.

    Args:
        sha256: the declared or recorded SHA-256 as hex digits. None: the digest that the cache of the hub recorded when
            the file was downloaded. A file outside the cache without a digest is not checked.
        model: the model that needs the file, for the message of the error.

    Raises:
        AppError: ``WEIGHTS_CHANGED`` if the file has another digest.
        OSError: the file cannot be read.
    """
    return verified(path.read_bytes(), sha256 or _cached_digest(path), model, path.name)


def verified(content: bytes, expected: str | None, model: str, file: str) -> bytes:
    """Return the content of a file if it has the expected digest. None: it is not checked, which is logged.

    Raises ``WEIGHTS_CHANGED``.
    """
    if expected is None:
        log.warning("weights.unchecked", model=model, file=file)
    elif (found := _digest(content, expected)) != expected:
        raise errors.WEIGHTS_CHANGED(found=found, expected=expected, model=model, file=file)
    return content


def _cached_digest(path: Path) -> str | None:
    """Return the digest in the name of a file of the hub's cache: a SHA-256, or Git's SHA-1 for a small file."""
    name = path.resolve().name
    return name if path.is_symlink() and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", name) else None


def _digest(content: bytes, expected: str) -> str:
    if len(expected) == 64:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@dataclass(frozen=True, kw_only=True)
class ImportedModel:
    """A checkpoint that an operator has imported into a folder of models.

    Args:
        file: name of the checkpoint in the folder.
        licence: licence of the weights, as the operator stated it.
    """

    name: str
    engine: str
    architecture: str
    outputs: tuple[str, ...]
    file: str
    sha256: str
    size_bytes: int
    licence: str = NONE_STATED

    def declaration(self, code_licence: str, fallback: str) -> ModelDeclaration:
        return ModelDeclaration(
            name=self.name,
            description="A checkpoint that the operator has imported",
            architecture=self.architecture,
            outputs=self.outputs,
            code_licence=code_licence,
            weights_licence=self.licence,
            needs_weights=True,
            files=(ModelFile(name=self.file, size_bytes=self.size_bytes, sha256=self.sha256),),
            fallback=fallback,
        )


def imported_models(folder: Path | None, engine: str) -> Mapping[str, ImportedModel]:
    """Return the checkpoints that were imported for an engine, by name. Damaged records are logged and left out."""
    found = {}
    for path in sorted(folder.glob(f"*{RECORD_SUFFIX}")) if folder is not None and folder.is_dir() else ():
        try:
            fields = json.loads(path.read_text())
            model = ImportedModel(**{**fields, "outputs": tuple(fields["outputs"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.warning("weights.record_damaged", file=path.name, error=type(error).__name__)
            continue
        if model.engine == engine:
            found[model.name] = model
    return found


def write_record(folder: Path, model: ImportedModel) -> None:
    """Write the record of an imported checkpoint beside it, atomically and for this user alone."""
    write_private(folder / f"{model.name}{RECORD_SUFFIX}", json.dumps(dataclasses.asdict(model), indent=2) + "\n")
