"""Separation with Demucs.

The result equals Demucs' own ``apply_model`` with one pass over overlapping segments (no random shifts).

Papers: Rouard, Massa, Défossez, "Hybrid Transformers for Music Source Separation" (2022) for ``htdemucs``; Défossez,
"Hybrid Spectrogram and Waveform Source Separation" (2021) for ``mdx_extra``.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from soundwright.kit import compiled_model, errors
from soundwright.kit.engines import ModelDeclaration
from soundwright.kit.log import get_logger
from soundwright.kit.weights import imported_models
from soundwright.services.separation.engines.demucs import files
from soundwright.services.separation.engines.demucs.exports import export_model
from soundwright.services.separation.engines.demucs.models import MODELS
from soundwright.services.separation.engines.networks import Bag, CpuMode, NetworkEngine
from soundwright.services.separation.engines.networks.exported import exclusive
from soundwright.services.separation.service import FALLBACK

log = get_logger()


class DemucsEngine(NetworkEngine):
    """Demucs networks behind the Engine Protocol.

    Args:
        model_dir: folder with the models, as Demucs' ``--repo`` takes it, also with safetensors files. It is the only
            source then. Without it, models come from the Hugging Face cache and hub.
        trusted_sha256: full SHA-256 digests (hex) of legacy checkpoints that may be unpickled.
        models: the published models. Checkpoints that were imported into ``model_dir`` are added to them.
        cpu_mode: how a CPU computes Hybrid Transformer Demucs. ``exact``: with PyTorch in float32. ``mixed``: with OpenVINO,
            and bfloat16 where that costs little precision, which agrees to more than 50 dB. ``fast``: with bfloat16 in
            most layers, more than 35 dB.
        compiled_dir: folder for the networks that OpenVINO runs. Loading a model adds its networks to it; if that fails,
            PyTorch runs them.
    """

    name = "demucs"
    models = MODELS

    def __init__(
        self,
        *,
        model_dir: Path | None = None,
        trusted_sha256: frozenset[str] = frozenset(),
        models: Sequence[ModelDeclaration] = MODELS,
        cpu_mode: CpuMode = "exact",
        compiled_dir: Path | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._cpu_mode = cpu_mode
        self._compiled_dir = compiled_dir
        self._not_exported: set[str] = set()  # the models whose export failed
        self._model_dir = model_dir
        self._trusted_sha256 = trusted_sha256
        self._imported = imported_models(model_dir, self.name)
        names = {declaration.name for declaration in models}
        added = [each.declaration("MIT", FALLBACK) for each in self._imported.values() if each.name not in names]
        self.models = (*models, *added)
        self._declarations = {declaration.name: declaration for declaration in self.models}

    def is_local(self, model: str) -> bool:
        """Return whether the operator supplies the weights, in a folder of models."""
        return self._model_dir is not None

    def is_present(self, model: str) -> bool:
        """Return whether the weights of ``model`` can be loaded without the network."""
        return files.are_present(self._declarations[model], self._model_dir)

    def load_bag(self, model: str, device: str) -> Bag:
        """Return the networks of ``model`` on ``device``.

        Raises ``MODEL_UNAVAILABLE`` if the weights cannot be found or downloaded, ``WEIGHTS_CHANGED`` if a file is not
        the declared or imported one, ``CHECKPOINT_UNTRUSTED`` if reading them could run code, ``MODEL_UNSUPPORTED`` if
        this engine cannot run the model, ``MODEL_UNKNOWN``.
        """
        declaration = self._declarations.get(model)
        if self._model_dir is None and declaration is None:
            known = ", ".join(self._declarations)
            raise errors.MODEL_UNKNOWN(model=model, known=known)
        from soundwright.services.separation.engines.demucs import weights

        if self._model_dir is None and declaration is not None:
            return self._compiled(model, weights.on_device(weights.load_from_hub(declaration), model, device))
        assert self._model_dir is not None
        # Networks in the folder may have any names, but those of the published networks are theirs.
        published = {file.name: file.sha256 for each in self.models for file in each.files if file.sha256}
        digests = {name: digest for name, digest in published.items() if name.endswith(".safetensors")}
        digests |= {each.file: each.sha256 for each in self._imported.values()}
        networks = weights.load_from_folder(self._model_dir, model, self._trusted_sha256, digests)
        return self._compiled(model, weights.on_device(networks, model, device))

    def _compiled(self, model: str, bag: Bag) -> Bag:
        """Return the networks as OpenVINO runs them, exported if they were not yet; as they are if that fails."""
        folder = self._compiled_dir
        if bag.device != "cpu" or self._cpu_mode == "exact" or folder is None or not compiled_model.is_installed():
            return bag
        networks = self._exported(model, bag, folder)
        if networks is None and model not in self._not_exported:
            try:
                with exclusive(folder):
                    networks = self._exported(model, bag, folder)  # another process may have added them meanwhile
                    if networks is None:
                        export_model(model, self._model_dir, self._trusted_sha256, folder, self._cpu_mode)
                        networks = self._exported(model, bag, folder)
            except OSError as error:
                log.warning("model.export_failed", model=model, reason=str(error))
        if networks is None:
            self._not_exported.add(model)
            return bag
        return dataclasses.replace(bag, networks=networks)

    def _exported(self, model: str, bag: Bag, folder: Path) -> tuple[Any, ...] | None:
        """Return the networks as OpenVINO runs them; None if one of them is not in ``folder``, or is damaged."""
        from soundwright.services.separation.engines.demucs.compiled import compiled

        assert self._cpu_mode != "exact"
        try:
            return compiled(bag.networks, folder, self._cpu_mode, self._thread_count)
        except OSError as error:
            log.warning("model.export_damaged", model=model, reason=str(error))
            return None
