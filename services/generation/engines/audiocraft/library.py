"""The audiocraft library, made to run on current versions of its dependencies.

Importing this module imports audiocraft 1.3.0 and changes five things in it, each once for the whole process:

* What only training needs (spaCy, torchaudio, flashy, the solvers, ...) is not imported; stand-ins take its place.
* xformers' memory-efficient attention is computed by PyTorch's own scaled dot product.
* Sampling draws from a generator of each row's own (:func:`drawing`), so that the company a take is computed in does
  not change what it draws.
* Checkpoints are read without running code from them, whatever PyTorch's variables say.
* Text encoders come from folders that the caller names (:func:`text_encoders`).

Raises ``ImportError`` where audiocraft or what it needs is not installed.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import sys
import types
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

__all__ = ["AudioGen", "MAGNeT", "MusicGen", "convert_audio", "drawing", "separate_rows", "text_encoders"]


class _StandIn(types.ModuleType):
    """A module that can be imported and holds what it was given, nothing else."""

    def __init__(self, name: str, **contents: object) -> None:
        super().__init__(name)
        # Other libraries look modules up by their spec before they use them.
        self.__spec__ = importlib.machinery.ModuleSpec(name, None)
        self.__dict__.update(contents)

    def __getattr__(self, name: str) -> object:
        raise AttributeError(f"Text to audio needs no {self.__name__}; {name!r} of it was asked for nevertheless.")


class _LowerTriangularMask:
    """Stands for causal attention."""


def _memory_efficient_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attn_bias: Any = None, p: float = 0.0
) -> torch.Tensor:
    """Attention of queries [batch, time, heads, width] with a bias [batch, heads, time, time], as in xformers."""
    causal = isinstance(attn_bias, _LowerTriangularMask)
    mixed = functional.scaled_dot_product_attention(
        query.transpose(1, 2),
        key.transpose(1, 2),
        value.transpose(1, 2),
        attn_mask=None if causal else attn_bias,
        dropout_p=p,
        is_causal=causal,
    )
    return mixed.transpose(1, 2)


def _import_audiocraft() -> None:
    # Before there are stand-ins: transformers looks once what is installed.
    from transformers import EncodecModel, RobertaTokenizer, T5EncoderModel, T5Tokenizer  # noqa: F401

    ops = _StandIn(
        "xformers.ops",
        unbind=torch.unbind,
        memory_efficient_attention=_memory_efficient_attention,
        LowerTriangularMask=_LowerTriangularMask,
    )
    # These two stay: audiocraft imports from them again whenever it computes attention.
    sys.modules.update({"xformers": _StandIn("xformers", ops=ops), "xformers.ops": ops})
    distrib = _StandIn("flashy.distrib")
    solver = _StandIn("audiocraft.solvers.compression", CompressionSolver=object)
    for_training = {
        "flashy": _StandIn("flashy", distrib=distrib),
        "flashy.distrib": distrib,
        "num2words": _StandIn("num2words", num2words=None),
        "spacy": _StandIn("spacy"),
        "torchaudio": _StandIn("torchaudio"),
        "audiocraft.solvers": _StandIn("audiocraft.solvers", compression=solver),
        "audiocraft.solvers.compression": solver,
    }
    before = {name: sys.modules.get(name) for name in for_training}
    sys.modules.update(for_training)
    try:
        importlib.import_module("audiocraft.models")
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


_import_audiocraft()

from audiocraft.data.audio_utils import convert_audio  # noqa: E402
from audiocraft.models import AudioGen, MAGNeT, MusicGen, loaders  # noqa: E402
from audiocraft.modules import conditioners  # noqa: E402
from audiocraft.modules.transformer import set_efficient_attention_backend  # noqa: E402
from audiocraft.utils import utils  # noqa: E402
from transformers.utils.logging import disable_progress_bar  # noqa: E402

disable_progress_bar()

# One backend for all models: MAGNeT knows only this one, and selects it for every model of the process when it is loaded.
set_efficient_attention_backend("xformers")

_generators: ContextVar[Sequence[torch.Generator]] = ContextVar("generators")
_text_encoder_folder: ContextVar[Callable[[str], Path]] = ContextVar("text_encoder_folder")


@contextlib.contextmanager
def drawing(generators: Sequence[torch.Generator]) -> Iterator[None]:
    """Within the block, row ``i`` of a batch is sampled with ``generators[i]``; both have the same number of items."""
    token = _generators.set(generators)
    try:
        yield
    finally:
        _generators.reset(token)


@contextlib.contextmanager
def text_encoders(folder_of: Callable[[str], Path]) -> Iterator[None]:
    """Within the block, models find a text encoder such as ``t5-base`` in the folder that ``folder_of`` gives."""
    token = _text_encoder_folder.set(folder_of)
    try:
        yield
    finally:
        _text_encoder_folder.reset(token)


def _multinomial(
    weights: torch.Tensor, num_samples: int, replacement: bool = False, *, generator: None = None
) -> torch.Tensor:
    """Draw for ``weights`` [batch, ..., candidates], each row of the batch with its own generator."""
    rows = [
        _library_multinomial(row, num_samples, replacement, generator=own)
        for row, own in zip(weights, _generators.get(), strict=True)
    ]
    return torch.stack(rows)


class _FromFolder:
    """A class of transformers whose pretrained models come from folders."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def from_pretrained(self, name: str) -> Any:
        return self._kind.from_pretrained(str(_text_encoder_folder.get()(name)), local_files_only=True)


def _read_checkpoint(folder: str, filename: str, cache_dir: None = None) -> Any:
    path = Path(folder, filename)
    # Mapped, a file does not lie in memory beside the model that is made from it; PyTorch's oldest form cannot be.
    return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))


_library_multinomial = utils.multinomial
utils.multinomial = _multinomial
loaders._get_state_dict = _read_checkpoint
conditioners.T5Tokenizer = _FromFolder(conditioners.T5Tokenizer)
conditioners.T5EncoderModel = _FromFolder(conditioners.T5EncoderModel)


def separate_rows(lm: Any) -> None:
    """Make each row of a batch attend to its own text alone, however long the other texts are.

    Shorter texts are filled up with zeros, which take part in audiocraft's cross-attention and weaken it: without this
    a prompt would sound different beside a longer one. Only models that read nothing but text by cross-attention need it.
    """
    if list(lm.fuser.fuse2cond["cross"]) != ["description"]:
        return
    fill: list[torch.Tensor | None] = [None]

    def remember(module: Any, inputs: Any, conditions: Any) -> None:
        _, mask = conditions["description"]  # [batch, tokens]: 1 is a token of the text, 0 is filling
        # A row without text (the unconditional half) has only zeros to attend to, which is the same for any number.
        hidden = (mask == 0) & (mask != 0).any(dim=1, keepdim=True)
        bias = torch.zeros(mask.shape, device=mask.device).masked_fill(hidden, float("-inf"))
        fill[0] = bias[:, None, None, :]

    def hide(module: Any, inputs: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return inputs, {**options, "attn_mask": fill[0]}

    lm.condition_provider.register_forward_hook(remember)
    for layer in lm.transformer.layers:
        # The memory-efficient path cuts masks to the length of the query; there is little to save with so few keys.
        layer.cross_attention.memory_efficient = False
        layer.cross_attention.safe_streaming = False  # would switch autocasting off and on for each of them
        layer.cross_attention.register_forward_pre_hook(hide, with_kwargs=True)
