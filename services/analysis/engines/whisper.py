"""The ``whisper`` engine: the words that are sung, by a model for speech, with faster-whisper (https://github.com/SYSTRAN/faster-whisper).

Only the files of the model are read, as data and after a check of their digests. Nothing is downloaded while jobs run.
"""

import importlib.util
import itertools
import os
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundwright.kit import errors, lrc
from soundwright.kit.engines import ModelDeclaration, ModelFile
from soundwright.kit.engines.hub import cached_model_file, model_file
from soundwright.kit.weights import read_verified
from soundwright.services.analysis.engines.mono import mono_blocks
from soundwright.services.analysis.engines.vocal_activity import HOP, RATE_HZ, Activity, activity_of
from soundwright.services.analysis.service import Engine, Recording, Signal

Floats = NDArray[np.float32]
Clip = tuple[int, Floats]
"""The first hop of a window, and its samples."""

_HOPS_PER_SECOND = RATE_HZ // HOP
_WINDOW = 28 * _HOPS_PER_SECOND  # hops; the network reads 30 seconds
_EDGE = 25  # hops before and after singing that a window has, and in which words may begin
_LANGUAGE_CLIPS = 3  # the language is detected in so many windows
_SILENCE_SECONDS = 2.0  # words after a longer silence are tested for invention
_TEMPERATURES = (0.0, 0.2, 0.4)
_ACTIVITY_SHARE = 0.05  # progress when it is known where somebody sings
_PAUSE_SECONDS, _LINE_LENGTH = 0.8, 60  # a longer pause ends a line, and so does a word after so many characters
_WORD_LIMIT = 30_000  # of a recording; a result is then 3 MB
_HIDDEN = ("Cc", "Cs", "Zl", "Zp")

_REQUIRED = ("model.bin", "config.json", "tokenizer.json")
_OTHERS = ("vocabulary.txt", "vocabulary.json", "preprocessor_config.json")

WHISPER = ModelDeclaration(
    name="whisper",
    description="The words that are sung, with their times: Whisper small, or the Whisper model in the operator's folder",
    architecture="Whisper",
    outputs=("lyrics",),
    code_licence="MIT",
    weights_licence="MIT",
    needs_weights=True,
    source="Systran/faster-whisper-small",
    files=(
        ModelFile(
            name="model.bin",
            size_bytes=483_546_902,
            sha256="3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671",
        ),
        ModelFile(
            name="config.json",
            size_bytes=2_370,
            sha256="b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828",
        ),
        ModelFile(
            name="tokenizer.json",
            size_bytes=2_203_239,
            sha256="fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
        ),
        ModelFile(
            name="vocabulary.txt",
            size_bytes=459_861,
            sha256="34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
        ),
    ),
    device_memory_bytes=0,
)


class WhisperEngine(Engine):
    """Reads the words of the vocals, or of the mix. Where nothing is loud, it writes none.

    The result has ``lyrics``, with ``language``, ``language_confidence`` and ``lines``. See :mod:`soundwright.kit.lrc`.

    Args:
        folder: folder with a model in the form of CTranslate2; None: the declared files in the cache of the hub.
    """

    name = "whisper"
    models = (WHISPER,)
    signal = Signal.VOCALS
    remedy = "Run `make lyrics` on the server, or set SOUNDWRIGHT_ANALYSIS_WHISPER_DIR to the folder of a Whisper model"

    def __init__(self, folder: Path | None = None, *, downloads: bool = False) -> None:
        self._folder = folder
        self._downloads = downloads
        self._model: Any = None

    def is_installed(self) -> bool:
        return importlib.util.find_spec("faster_whisper") is not None

    def is_present(self, model: str) -> bool:
        if self._folder is not None:
            return all((self._folder / name).is_file() for name in _REQUIRED)
        if not self.is_installed():
            return False
        return all(cached_model_file(WHISPER.source, file) is not None for file in WHISPER.files)

    def is_local(self, model: str) -> bool:
        return self._folder is not None

    def load(self, model: str) -> None:
        if self._model is not None:
            return
        is_there = self.is_present(model) or (self._downloads and self._folder is None)
        if not (self.is_installed() and is_there):
            raise errors.MODEL_UNAVAILABLE(f"This server has no model that reads lyrics. {self.remedy}.", model=model)
        from faster_whisper import WhisperModel

        files = self._files(model)
        try:
            self._model = WhisperModel(
                model, device="cpu", compute_type="int8", cpu_threads=_core_count(), files=files, local_files_only=True
            )
        except Exception as error:  # the library has no errors of its own
            raise errors.MODEL_UNAVAILABLE(
                f"The files of the Whisper model cannot be used: {str(error)[:200]}. {self.remedy}.", model=model
            ) from error

    def unload(self, model: str) -> None:
        self._model = None

    def _files(self, model: str) -> dict[str, bytes]:
        """Return the contents of the files by name, and download them if that is allowed."""
        if self._folder is not None:
            paths = [self._folder / name for name in (*_REQUIRED, *_OTHERS)]
            return {path.name: read_verified(path, None, model) for path in paths if path.is_file()}
        try:
            found = {file: model_file(WHISPER.source, file) for file in WHISPER.files}
        except Exception as error:  # the hub, its cache and its proxies fail in many ways
            why = f"the model hub gave no {WHISPER.source} ({type(error).__name__})"
            raise errors.MODEL_UNAVAILABLE(why=why, model=model) from error
        return {file.name: read_verified(path, file.sha256, model) for file, path in found.items()}

    def analyse(
        self, recording: Recording, features: frozenset[str], report: Callable[[float], None]
    ) -> dict[str, Any]:
        """Read the words; see :class:`soundwright.services.analysis.service.Engine`."""
        import ctranslate2

        ctranslate2.set_random_seed(1)  # the same song has the same words
        activity = activity_of(recording, lambda share: report(_ACTIVITY_SHARE * share))
        blocks = mono_blocks(recording, RATE_HZ, lambda share: None)
        clips = _clips(blocks, _windows(activity))
        first = list(itertools.islice(clips, _LANGUAGE_CLIPS))
        language, confidence = self._language(first)
        lines: list[lrc.Line] = []
        word_count = 0
        for start, samples in itertools.chain(first, clips):
            for words in self._segments(samples, start, language, activity):
                lines += _lines(words)
                word_count += len(words)
            done = (start * HOP + samples.size) / max(1, len(activity.level_db) * HOP)
            report(_ACTIVITY_SHARE + (1 - _ACTIVITY_SHARE) * min(1.0, done))
            if word_count >= _WORD_LIMIT:
                break
        report(1.0)
        return {"lyrics": {"language": language, "language_confidence": round(confidence, 2), "lines": lines}}

    def _language(self, clips: Sequence[Clip]) -> tuple[str, float]:
        if not clips:
            return "", 0.0
        if not self._model.model.is_multilingual:
            return "en", 1.0
        sums: Counter[str] = Counter()
        for _, samples in clips:
            _, _, probabilities = self._model.detect_language(samples)
            sums.update(dict(probabilities))
        [(language, total)] = sums.most_common(1)
        return language, min(1.0, total / len(clips))

    def _segments(self, samples: Floats, start: int, language: str, activity: Activity) -> Iterator[list[lrc.Line]]:
        """Yield the words of each phrase in a clip, of those that are where somebody sings."""
        segments, _ = self._model.transcribe(
            samples,
            language=language,
            word_timestamps=True,
            condition_on_previous_text=False,  # an error would spread
            temperature=_TEMPERATURES,
            hallucination_silence_threshold=_SILENCE_SECONDS,
        )
        offset = start / _HOPS_PER_SECOND
        for segment in segments:
            words: list[lrc.Line] = [
                {
                    "start_seconds": round(offset + float(word.start), 2),
                    "end_seconds": round(offset + float(word.end), 2),
                    "text": "".join(" " if unicodedata.category(c) in _HIDDEN else c for c in word.word),
                    "confidence": round(float(word.probability), 2),
                }
                for word in segment.words or ()
            ]
            yield [word for word in words if word["text"].strip() and _is_sung(word, activity)]


def _windows(activity: Activity) -> list[tuple[int, int]]:
    """Return windows with all spans: first hop and the one after the last. Long spans are divided where they are quiet."""
    parts: list[tuple[int, int]] = []
    for start, end in activity.spans:
        start, end = max(0, start - _EDGE), min(len(activity.level_db), end + _EDGE)
        while end - start > _WINDOW:
            earliest = start + _WINDOW // 2
            cut = earliest + int(np.argmin(activity.level_db[earliest : start + _WINDOW]))
            parts.append((start, cut))
            start = cut
        parts.append((start, end))
    windows: list[tuple[int, int]] = []
    for start, end in parts:
        if windows and end - windows[-1][0] <= _WINDOW:
            windows[-1] = (windows[-1][0], end)
        else:
            windows.append((max(start, windows[-1][1]) if windows else start, end))
    return windows


def _clips(blocks: Iterator[Floats], windows: Sequence[tuple[int, int]]) -> Iterator[Clip]:
    """Yield the samples of each window. No more than one window and one block are in memory."""
    pending = np.zeros(0, np.float32)
    skipped = 0  # samples before ``pending``
    for start, end in windows:
        while skipped + pending.size < end * HOP and (block := next(blocks, None)) is not None:
            unused = min(pending.size, max(0, start * HOP - skipped))
            pending, skipped = np.concatenate([pending[unused:], block]), skipped + unused
        unused = min(pending.size, max(0, start * HOP - skipped))
        pending, skipped = pending[unused:], skipped + unused
        yield start, pending[: (end - start) * HOP]


def _is_sung(word: lrc.Line, activity: Activity) -> bool:
    """Return whether the middle of a word is in a span, or close to it."""
    middle = _HOPS_PER_SECOND * (word["start_seconds"] + word["end_seconds"]) / 2
    place = bisect_right(activity.spans, middle + _EDGE, key=lambda span: span[0]) - 1
    return place >= 0 and middle <= activity.spans[place][1] + _EDGE


def _lines(words: Sequence[lrc.Line]) -> Iterator[lrc.Line]:
    line: list[lrc.Line] = []
    for word in words:
        length = sum(len(each["text"]) for each in line)
        is_new = bool(line) and word["start_seconds"] - line[-1]["end_seconds"] > _PAUSE_SECONDS
        if is_new or (length + len(word["text"]) > _LINE_LENGTH and word["text"].startswith(" ")):
            yield _line(line)
            line = []
        line.append(word)
    if line:
        yield _line(line)


def _line(words: list[lrc.Line]) -> lrc.Line:
    return {
        "start_seconds": words[0]["start_seconds"],
        "end_seconds": words[-1]["end_seconds"],
        "text": lrc.joined(words),
        "words": words,
        "confidence": round(sum(word["confidence"] for word in words) / len(words), 2),
    }


def _core_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
