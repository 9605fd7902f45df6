"""Where the waveform of an audio file is stored: beside it (ADR 0040)."""

from __future__ import annotations

from pathlib import Path

__all__ = ["described_key", "waveform_file", "waveform_key"]

_EXTENSION = ".dat"


def waveform_file(file: Path) -> Path:
    """Return the file for the waveform of an output (:mod:`kit.audio.waveform`), which is stored with the output if it exists."""
    return file.with_name(file.name + _EXTENSION)


def waveform_key(blob_key: str) -> str:
    """Return the key of the waveform of an audio file. No record names it: it can be computed again, and goes with the file."""
    return blob_key + _EXTENSION


def described_key(key: str) -> str:
    """Return the key of the audio file whose waveform has the key ``key``, or ``key`` itself if it is that of another file."""
    return key.removesuffix(_EXTENSION)
