"""A small Whisper model in the form of CTranslate2. It hears nothing: whatever the signal, it writes the same text.

Each position of its decoder chooses the next token of a script, and its attention finds the word at ``n`` in half-second ``n``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

LANGUAGE = "de"
SCRIPT = ("<|0.00|>", " la", " la", " <b>hey</b>", " you", "<|4.00|>", "<|endoftext|>")
_SIZE, _HALF = 32, 16
_HEADS = 2
_WORD_FRAMES = 25  # of the encoder: half a second
_PROMPT = 3  # start, language and task


def save(folder: Path, script: Sequence[str] = SCRIPT) -> None:
    """Write a model that writes a script of at most 12 tokens."""
    from ctranslate2.specs.whisper_spec import WhisperSpec

    tokens = _save_tokenizer(folder / "tokenizer.json", script)
    spec = WhisperSpec(1, _HEADS, 1, _HEADS)
    _fill(spec)
    embeddings, positions = np.zeros((len(tokens), _SIZE), np.float32), np.zeros((448, _SIZE), np.float32)
    lines = [f"<|{LANGUAGE}|>", *[""] * (_PROMPT - 2), *script]  # what follows each position
    for position, token in enumerate(lines):
        positions[position, _HALF + position] = 40.0  # so that the attention knows the position
        if token:
            embeddings[tokens.index(token), lines.index(token)] = 4.0
            positions[position, lines.index(token)] = 40.0
    times = np.zeros((1500, _SIZE), np.float32)
    for word in range(_HALF - _PROMPT):
        times[word * _WORD_FRAMES : (word + 1) * _WORD_FRAMES, word] = 1.0
    spec.encoder.position_encodings.encodings = times
    spec.decoder.position_encodings.encodings = positions
    spec.decoder.embeddings.weight = spec.decoder.projection.weight = embeddings
    spec.decoder.projection.bias = np.zeros(len(tokens), np.float32)
    queries, keys, _ = spec.decoder.layer[0].attention.linear
    for head in range(_HEADS):
        for word in range(_HALF - _PROMPT):
            # The mark before a word stands for it. When words are found, the text has one more mark before it.
            queries.weight[head * _HALF + word, _HALF + _PROMPT + word] = 2.0
            keys.weight[head * _HALF + word, word] = 1.0
    spec.register_vocabulary(tokens)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [tokens.index("<|endoftext|>")]
    spec.config.lang_ids = [tokens.index(f"<|{LANGUAGE}|>"), tokens.index("<|en|>")]
    spec.config.alignment_heads = [[0, head] for head in range(_HEADS)]
    spec.validate()
    spec.optimize()
    spec.save(str(folder))


def _fill(spec: Any) -> None:
    """Set all weights of the layers to zero, so that their inputs pass."""
    for side in (spec.encoder, spec.decoder):
        _norm(side.layer_norm)
        for layer in side.layer:
            _attention(layer.self_attention, (3, 1))
            if side is spec.decoder:
                _attention(layer.attention, (1, 2, 1))
            _norm(layer.ffn.layer_norm)
            _zero(layer.ffn.linear_0, (_HALF, _SIZE))
            _zero(layer.ffn.linear_1, (_SIZE, _HALF))
    _zero(spec.encoder.conv1, (_SIZE, 80, 3))
    _zero(spec.encoder.conv2, (_SIZE, _SIZE, 3))


def _norm(norm: Any) -> None:
    norm.gamma, norm.beta = np.ones(_SIZE, np.float32), np.zeros(_SIZE, np.float32)


def _attention(attention: Any, sizes: Sequence[int]) -> None:
    _norm(attention.layer_norm)
    for linear, times in zip(attention.linear, sizes, strict=True):
        _zero(linear, (times * _SIZE, _SIZE))


def _zero(layer: Any, shape: tuple[int, ...]) -> None:
    layer.weight, layer.bias = np.zeros(shape, np.float32), np.zeros(shape[0], np.float32)


def _save_tokenizer(path: Path, script: Sequence[str]) -> list[str]:
    """Write the tokenizer, and return its tokens in the order of their numbers."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    words = [word.replace(" ", "Ġ") for word in dict.fromkeys(script) if not word.startswith("<|")]
    names = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *words, ""]  # models for English alone have no empty token
    special = ["endoftext", "startoftranscript", LANGUAGE, "en", "translate", "transcribe", "startoflm", "startofprev"]
    marks = [f"<|{name}|>" for name in (*special, "nospeech", "notimestamps")]
    times = [f"<|{step * 0.02:.2f}|>" for step in range(1501)]
    tokenizer = Tokenizer(models.BPE(vocab={name: number for number, name in enumerate(names)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in marks])
    tokenizer.add_tokens(times)
    tokenizer.save(str(path))
    spaced = [name.replace("Ġ", " ") if name in words else name for name in names]
    return [*spaced, *marks, *times]
