"""Separation with Demucs.

The result equals Demucs' own ``apply_model`` with one pass over overlapping segments (no random shifts).

Papers: Rouard, Massa, Défossez, "Hybrid Transformers for Music Source Separation" (2022) for ``htdemucs``; Défossez,
"Hybrid Spectrogram and Waveform Source Separation" (2021) for ``mdx_extra``.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from kit.engines import ModelDeclaration
from kit.errors import AppError, Code
from services.separation.engines.demucs import files
from services.separation.engines.networks import Bag, NetworkEngine
from services.separation.service import STEMS

__all__ = ["DemucsEngine"]

# The Demucs package and its repositories on the hub are under the MIT licence. Sizes and digests of the files on the hub
# are not verified, and the memory on a GPU is not measured, so these facts stay None.
_declare = functools.partial(
    ModelDeclaration, code_licence="MIT", weights_licence="MIT", needs_weights=True, fallback="dsp"
)
MODELS = (
    _declare(
        name="htdemucs",
        description="Hybrid Transformer Demucs, the default",
        architecture="Hybrid Transformer Demucs",
        outputs=STEMS,
        source="adefossez/HTDemucs",
    ),
    _declare(
        name="htdemucs_ft",
        description="Four fine-tuned Hybrid Transformer networks: better, and four times as slow",
        architecture="Hybrid Transformer Demucs",
        outputs=STEMS,
        source="adefossez/HTDemucs-ft",
    ),
    _declare(
        name="htdemucs_6s",
        description="Hybrid Transformer Demucs with guitar and piano",
        architecture="Hybrid Transformer Demucs",
        outputs=(*STEMS, "guitar", "piano"),
        source="adefossez/HTDemucs-6s",
    ),
    _declare(
        name="mdx_extra",
        description="Four Hybrid Demucs networks of the MDX challenge",
        architecture="Hybrid Demucs",
        outputs=STEMS,
        source="adefossez/Demucs-mdx_extra",
    ),
)
_SOURCES = {declaration.name: declaration.source for declaration in MODELS}


class DemucsEngine(NetworkEngine):
    """Demucs networks behind the Engine Protocol.

    Args:
        model_dir: folder with the models, as Demucs' ``--repo`` takes it, also with safetensors files. It is the only
            source then. Without it, models come from the Hugging Face cache and hub.
        trusted_sha256: full SHA-256 digests (hex) of legacy checkpoints that may be unpickled.
        options: see :class:`NetworkEngine`.
    """

    name = "demucs"
    models = MODELS

    def __init__(
        self, *, model_dir: Path | None = None, trusted_sha256: frozenset[str] = frozenset(), **options: Any
    ) -> None:
        super().__init__(**options)
        self._model_dir = model_dir
        self._trusted_sha256 = trusted_sha256

    def is_present(self, model: str) -> bool:
        """Return whether the weights of ``model`` can be loaded without the network."""
        return files.are_present(model, _SOURCES[model], self._model_dir)

    def load_bag(self, model: str, device: str) -> Bag:
        """Return the networks of ``model`` on ``device``.

        Raises:
            AppError: ``MODEL_UNAVAILABLE`` if the weights cannot be found or downloaded, ``CHECKPOINT_UNTRUSTED`` if
                reading them could run code, ``MODEL_UNSUPPORTED`` if this engine cannot run the model,
                ``MODEL_UNKNOWN``.
        """
        if self._model_dir is None and model not in _SOURCES:
            known = ", ".join(_SOURCES)
            raise AppError(Code.NOT_FOUND, "MODEL_UNKNOWN", f"There is no model {model!r}. Use one of: {known}.")
        from services.separation.engines.demucs import weights

        if self._model_dir is None:
            networks = weights.load_from_hub(model, _SOURCES[model])
        else:
            networks = weights.load_from_folder(self._model_dir, model, self._trusted_sha256)
        return weights.on_device(networks, model, device)
