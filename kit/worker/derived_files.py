"""Where the waveform, the spectrogram, the score and the parts of an audio file are stored: beside it (ADR 0040).

No record names them, and they go with the file. All but scores can be computed again.
"""

from pathlib import Path

_WAVEFORM = ".dat"
_SPECTROGRAM = ".mel"
_COVER = ".jpg"
_SCORE = ".mid"
_PARTS = ".parts.zip"
SPECTROGRAM_BANDS = 64
"""Bytes of each column of a spectrogram."""
SPECTROGRAM_HOP_FRAMES = 2048
"""Frames from a column of a spectrogram to the next."""


def waveform_file(file: Path) -> Path:
    """Return the file for the waveform of an output (:mod:`soundwright.kit.audio.waveform`), which is stored with the output if it exists."""
    return file.with_name(file.name + _WAVEFORM)


def waveform_key(blob_key: str) -> str:
    return blob_key + _WAVEFORM


def spectrogram_key(blob_key: str) -> str:
    return blob_key + _SPECTROGRAM


def cover_key(blob_key: str) -> str:
    """Return the key of the cover of a recording. Its track names it, because it cannot be made again."""
    return blob_key + _COVER


def score_file(file: Path) -> Path:
    """Return the file for the score of an output, which is stored with the output if it exists."""
    return file.with_name(file.name + _SCORE)


def score_key(blob_key: str) -> str:
    """Return the key of the score of a generated clip, a MIDI file. Clips that no score was written for have none."""
    return blob_key + _SCORE


def parts_key(blob_key: str) -> str:
    """Return the key of the archive with the parts of a generated clip."""
    return blob_key + _PARTS


def described_key(key: str) -> str:
    """Return the key of the audio file that a derived file is of, or ``key`` itself if it is that of another file."""
    return key.removesuffix(_WAVEFORM).removesuffix(_SPECTROGRAM).removesuffix(_SCORE).removesuffix(_PARTS)
