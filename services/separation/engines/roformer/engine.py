"""Separation with RoFormer networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from soundwright.kit import errors
from soundwright.kit.engines import ModelDeclaration
from soundwright.kit.engines.hub import cached_model_file, model_file
from soundwright.kit.errors import AppError
from soundwright.kit.weights import imported_models, read_verified
from soundwright.services.separation.engines.networks import Bag, CpuMode, NetworkEngine
from soundwright.services.separation.engines.roformer.config import (
    RoformerConfig,
    UnsupportedConfig,
    config_path,
    parse_config,
    read_config,
)
from soundwright.services.separation.engines.roformer.models import CONFIGS, MODELS
from soundwright.services.separation.service import FALLBACK


class RoformerEngine(NetworkEngine):
    """RoFormer networks behind the Engine Protocol.

    Args:
        model_dir: folder with the files of the models. It is the only source then. Without it, models come from the cache,
            the Hugging Face hub and mirrors.
        models: the published models. Checkpoints that were imported into ``model_dir`` are added to them.
        configs: the configurations of ``models``. Other checkpoints have theirs beside them, with the same name.
        cpu_mode: how a CPU with bfloat16 computes; others compute in float32. ``exact``: in float32. ``mixed``: attention in
            bfloat16, which agrees to more than 50 dB. ``fast``: nearly all layers, more than 35 dB.
    """

    name = "roformer"
    models: tuple[ModelDeclaration, ...] = MODELS

    def __init__(
        self,
        *,
        model_dir: Path | None = None,
        models: Sequence[ModelDeclaration] = MODELS,
        configs: Mapping[str, RoformerConfig] = CONFIGS,
        cpu_mode: CpuMode = "exact",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._cpu_mode = cpu_mode
        self._model_dir = model_dir
        self._configs = configs
        names = {declaration.name for declaration in models}
        imported = imported_models(model_dir, self.name).values()
        added = (each.declaration("Apache-2.0", FALLBACK) for each in imported if each.name not in names)
        self.models = (*models, *added)
        self._declarations = {declaration.name: declaration for declaration in self.models}

    def is_local(self, model: str) -> bool:
        """Return whether the operator supplies the weights, in a folder of models."""
        return self._model_dir is not None

    def is_present(self, model: str) -> bool:
        """Return whether the weights of ``model`` can be loaded without the network."""
        declaration = self._declarations[model]
        (file,) = declaration.files
        if self._model_dir is not None:
            return (self._model_dir / file.name).is_file()
        return cached_model_file(declaration.source, file) is not None

    def load_bag(self, model: str, device: str) -> Bag:
        """Return the network of ``model`` on ``device``.

        Raises ``MODEL_UNAVAILABLE`` if the weights cannot be found or downloaded or are damaged, ``WEIGHTS_CHANGED`` if
        the file is not the declared or imported one, ``CHECKPOINT_UNTRUSTED`` if reading it could run code,
        ``MODEL_UNSUPPORTED`` if this engine cannot run the model, ``MODEL_UNKNOWN``.
        """
        if model not in self._declarations:
            known = ", ".join(self._declarations)
            raise errors.MODEL_UNKNOWN(model=model, known=known)
        declaration = self._declarations[model]
        (file,) = declaration.files
        try:
            folder = self._model_dir
            path = model_file(declaration.source, file) if folder is None else folder / file.name
            config = self._configs.get(model) or _config_beside(path)
            content = read_verified(path, file.sha256, model)
            from soundwright.services.separation.engines.networks import precision
            from soundwright.services.separation.engines.roformer import weights

            network = weights.read_network(file.name, content, config)
            if device == "cpu" and precision.cpu_has_bfloat16():
                network.set_cpu_mode(self._cpu_mode)
        except AppError:
            raise
        except UnsupportedConfig as error:
            raise errors.MODEL_UNSUPPORTED(model=model, why=error) from error
        except Exception as error:  # the hub, its cache, its proxies and damaged files fail in many ways
            raise errors.MODEL_UNAVAILABLE(
                (
                    f"The weights of the model {model!r} are not available ({type(error).__name__}). Run `make models"
                    f" MODEL={model}` on a machine with network access, or put {file.name} into the folder of models."
                ),
                model=model,
            ) from error
        return weights.on_device(network, device)


def _config_beside(path: Path) -> RoformerConfig:
    """Return the configuration beside a checkpoint.

    Raises ``UnsupportedConfig``: there is none, or it is not supported.
    """
    found = config_path(path)
    if found is None:
        raise UnsupportedConfig(f"There is no configuration beside {path.name}, for example {path.stem}.yaml.")
    return parse_config(read_config(found))
