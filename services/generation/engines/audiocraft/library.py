"""Imports audiocraft 1.3.0, and patches it to run with current versions of its dependencies.

Importing this module applies six patches to the whole process:

* Modules that only training needs (spaCy, torchaudio, flashy, the solvers and so on) are replaced by stubs.
* xformers' memory-efficient attention is replaced by PyTorch's scaled dot product attention.
* That attention does not use cuDNN, which makes a new plan for each length of the keys, so for each token
  (github.com/pytorch/pytorch/pull/155958).
* Each row of a batch is sampled with its own generator (:func:`drawing`), so that the result of a take does not depend on
  the other takes of its batch.
* Checkpoints are loaded without running code from them, regardless of PyTorch's environment variables.
* Text encoders and codecs of transformers are loaded from folders that the caller provides (:func:`pretrained`).

Raises ``ImportError`` if audiocraft or a dependency is not installed.
"""

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

from soundwright.services.generation.engines.audiocraft import files


class _StubModule(types.ModuleType):
    """A stub module that contains only the given attributes."""

    def __init__(self, name: str, **contents: object) -> None:
        super().__init__(name)
        # Other libraries check the spec of a module before they use it.
        self.__spec__ = importlib.machinery.ModuleSpec(name, None)
        self.__dict__.update(contents)

    def __getattr__(self, name: str) -> object:
        raise AttributeError(
            f"{self.__name__} is a stub without the attribute {name!r}, because generation does not need it."
        )


class _LowerTriangularMask:
    """A marker for causal attention."""


def _memory_efficient_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attn_bias: Any = None, p: float = 0.0
) -> torch.Tensor:
    """Compute attention like xformers: queries [batch, time, heads, width], bias [batch, heads, time, time]."""
    causal = isinstance(attn_bias, _LowerTriangularMask)
    output = functional.scaled_dot_product_attention(
        query.transpose(1, 2),
        key.transpose(1, 2),
        value.transpose(1, 2),
        attn_mask=None if causal else attn_bias,
        dropout_p=p,
        is_causal=causal,
    )
    return output.transpose(1, 2)


def _import_audiocraft() -> None:
    # Import transformers before the stubs exist, because it checks once which packages are installed.
    from transformers import EncodecModel, RobertaTokenizer, T5EncoderModel, T5Tokenizer  # noqa: F401

    ops = _StubModule(
        "xformers.ops",
        unbind=torch.unbind,
        memory_efficient_attention=_memory_efficient_attention,
        LowerTriangularMask=_LowerTriangularMask,
    )
    # These two remain, because audiocraft imports them again whenever it computes attention.
    sys.modules.update({"xformers": _StubModule("xformers", ops=ops), "xformers.ops": ops})
    distrib = _StubModule("flashy.distrib")
    solver = _StubModule("audiocraft.solvers.compression", CompressionSolver=object)
    training_stubs = {
        "flashy": _StubModule("flashy", distrib=distrib),
        "flashy.distrib": distrib,
        "num2words": _StubModule("num2words", num2words=None),
        "spacy": _StubModule("spacy"),
        "torchaudio": _StubModule("torchaudio"),
        "audiocraft.solvers": _StubModule("audiocraft.solvers", compression=solver),
        "audiocraft.solvers.compression": solver,
    }
    previous = {name: sys.modules.get(name) for name in training_stubs}
    sys.modules.update(training_stubs)
    try:
        importlib.import_module("audiocraft.models")
    finally:
        for name, module in previous.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


_import_audiocraft()

from audiocraft.data.audio_utils import convert_audio as convert_audio  # noqa: E402
from audiocraft.models import AudioGen as AudioGen  # noqa: E402
from audiocraft.models import MAGNeT as MAGNeT  # noqa: E402
from audiocraft.models import MusicGen as MusicGen  # noqa: E402
from audiocraft.models import encodec, loaders  # noqa: E402
from audiocraft.modules import conditioners  # noqa: E402
from audiocraft.modules.transformer import set_efficient_attention_backend  # noqa: E402
from audiocraft.utils import utils  # noqa: E402
from transformers.utils.logging import disable_progress_bar  # noqa: E402

disable_progress_bar()

# One backend for all models: MAGNeT supports only this one, and selects it for the whole process when it is loaded.
set_efficient_attention_backend("xformers")
torch.backends.cuda.enable_cudnn_sdp(False)

_generators: ContextVar[Sequence[torch.Generator]] = ContextVar("generators")
_pretrained_folder: ContextVar[Callable[[str, Sequence[str]], Path]] = ContextVar("pretrained_folder")


@contextlib.contextmanager
def drawing(generators: Sequence[torch.Generator]) -> Iterator[None]:
    """Sample row ``i`` of a batch with ``generators[i]`` inside the block. Their numbers must be equal."""
    token = _generators.set(generators)
    try:
        yield
    finally:
        _generators.reset(token)


@contextlib.contextmanager
def pretrained(folder_of: Callable[[str, Sequence[str]], Path]) -> Iterator[None]:
    """Load text encoders such as ``t5-base`` and codecs such as ``facebook/encodec_32khz`` from the folder that ``folder_of``
    returns for their name and filenames, inside the block.
    """
    token = _pretrained_folder.set(folder_of)
    try:
        yield
    finally:
        _pretrained_folder.reset(token)


def _multinomial(
    weights: torch.Tensor, num_samples: int, replacement: bool = False, *, generator: None = None
) -> torch.Tensor:
    """Sample from ``weights`` [batch, ..., candidates], each row of the batch with its own generator."""
    rows = [
        _library_multinomial(row, num_samples, replacement, generator=generator_of_row)
        for row, generator_of_row in zip(weights, _generators.get(), strict=True)
    ]
    return torch.stack(rows)


class _FromFolder:
    """Wraps a class of transformers, so that it loads pretrained models from local folders."""

    def __init__(self, kind: Any, filenames: Sequence[str]) -> None:
        self._kind = kind
        self._filenames = filenames

    def from_pretrained(self, name: str) -> Any:
        folder = _pretrained_folder.get()(name, self._filenames)
        return self._kind.from_pretrained(str(folder), local_files_only=True)


def _read_checkpoint(folder: str, filename: str, cache_dir: None = None) -> Any:
    path = Path(folder, filename)
    # Memory mapping avoids a second copy of the weights in memory. The oldest format of PyTorch does not support it.
    return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))


_library_multinomial = utils.multinomial
utils.multinomial = _multinomial
loaders._get_state_dict = _read_checkpoint
conditioners.T5Tokenizer = _FromFolder(conditioners.T5Tokenizer, files.TEXT_ENCODER)
conditioners.T5EncoderModel = _FromFolder(conditioners.T5EncoderModel, files.TEXT_ENCODER)
encodec.HFEncodecModel = _FromFolder(encodec.HFEncodecModel, files.CODEC)


def separate_rows(lm: Any) -> None:
    """Mask the padding of shorter texts in cross-attention.

    audiocraft pads shorter texts with zeros, which take part in cross-attention and weaken it. Without the mask, a prompt
    would sound different in a batch with a longer prompt. Only models whose cross-attention reads only text need it.
    """
    if list(lm.fuser.fuse2cond["cross"]) != ["description"]:
        return
    padding_bias: list[torch.Tensor | None] = [None]

    def store_bias(module: Any, inputs: Any, conditions: Any) -> None:
        _, mask = conditions["description"]  # [batch, tokens]: 1 is a token of the text, 0 is padding
        # A row without text (the unconditional half) has only padding, whose length does not matter.
        is_padding = (mask == 0) & (mask != 0).any(dim=1, keepdim=True)
        bias = torch.zeros(mask.shape, device=mask.device).masked_fill(is_padding, float("-inf"))
        padding_bias[0] = bias[:, None, None, :]

    def apply_bias(module: Any, inputs: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return inputs, {**options, "attn_mask": padding_bias[0]}

    lm.condition_provider.register_forward_hook(store_bias)
    for layer in lm.transformer.layers:
        # The memory-efficient path trims masks to the length of the query. With so few keys, it saves little memory anyway.
        layer.cross_attention.memory_efficient = False
        layer.cross_attention.safe_streaming = False  # would toggle autocasting for each layer
        layer.cross_attention.register_forward_pre_hook(apply_bias, with_kwargs=True)
