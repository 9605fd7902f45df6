"""Lyrics as LRC, a text with the times of lines: ``[01:02.30]words``. In its enhanced form, words have times, too.

A line is a mapping like that of an analysis: ``start_seconds`` and ``end_seconds``, None if unknown; ``text``; and ``words``, each with
``start_seconds``, ``end_seconds`` and ``text``. Joined, the words are the text. Lines without times of words have no words.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

Line = dict[str, Any]

_TIME = r"(\d{1,3}):(\d{1,2})(?:[.:](\d{1,3}))?"
_LINE_TAG = re.compile(rf"\s*\[{_TIME}\]")
_WORD_TAG = re.compile(rf"<{_TIME}>")
_FACT = re.compile(r"\s*\[(al|ar|au|by|la|length|offset|re|ti|tool|ve|#)\s*:(.*)\]\s*", re.IGNORECASE)
_OFFSET = re.compile(r"\s*([+-]?\d{1,7})\s*")
_SPACES = re.compile(r"\s+")


def lines_of(text: str) -> list[Line]:
    """Return the lines of LRC, or of a plain text, in the order in which they are sung. Empty lines are left out.

    A line without a time follows the line before it in the text.
    """
    rows: list[tuple[str, list[float]]] = []
    earlier_seconds = 0.0
    for row in text.splitlines():
        if fact := _FACT.fullmatch(row):
            if fact[1].lower() == "offset" and (milliseconds := _OFFSET.fullmatch(fact[2])):
                earlier_seconds = int(milliseconds[1]) / 1000
            continue
        rows.append(_split(row))
    placed: list[tuple[float, Line]] = []
    for content, starts in rows:
        if not starts and content.strip():
            placed.append((placed[-1][0] if placed else 0.0, _line(content, None, 0.0)))
        for raw in starts:
            start = _rounded(raw - earlier_seconds)
            placed.append((start, _line(content, start, raw - starts[0] - earlier_seconds)))
    placed.sort(key=lambda each: each[0])
    lines: list[Line] = []
    for start, line in placed:
        if line["text"]:
            lines.append(line)
        elif lines and lines[-1]["start_seconds"] is not None and lines[-1]["end_seconds"] is None:
            lines[-1]["end_seconds"] = start
    return lines


def expanded_length(text: str) -> int:
    """Return the length of the lines of a text together. A row with several times stands for as many lines."""
    return sum(len(content) * max(1, len(starts)) for content, starts in map(_split, text.splitlines()))


def lrc_text(lines: Sequence[Mapping[str, Any]], facts: Mapping[str, str] | None = None) -> str:
    """Return lines as LRC.

    Args:
        facts: what is known of the song, by the names of LRC, for example ``ti`` for its title. Empty ones are left out.
    """
    rows = [f"[{name}:{_SPACES.sub(' ', text)}]" for name, text in (facts or {}).items() if text]
    for line, following in zip_longest(lines, lines[1:]):
        start, end = line["start_seconds"], line["end_seconds"]
        if start is None:
            rows.append(_plain(line["text"]))
        elif line["words"]:
            words = "".join(f"<{_clock(word['start_seconds'])}>{_plain(word['text'])}" for word in line["words"])
            rows.append(f"[{_clock(start)}]{words}" + (f"<{_clock(end)}>" if end is not None else ""))
        else:
            rows.append(f"[{_clock(start)}]{_plain(line['text'])}")
            if end is not None and (following is None or (following["start_seconds"] or end) > end):
                rows.append(f"[{_clock(end)}]")  # an empty line ends the one before
    return "".join(f"{row}\n" for row in rows)


def lines_within(lines: Iterable[Mapping[str, Any]], seconds: float) -> list[Line]:
    """Return the lines of a song of a length: without those that begin at its end or later, and without later times in others."""
    end = int(100 * seconds) / 100  # as LRC writes it

    def cut(each: Mapping[str, Any]) -> Line:
        times = ("start_seconds", "end_seconds")
        return {**each, **{name: min(each[name], end) for name in times if each[name] is not None}}

    return [
        {**cut(line), "words": [cut(word) for word in line["words"]]}
        for line in lines
        if line["start_seconds"] is None or line["start_seconds"] < end
    ]


def plain_text(lines: Iterable[Mapping[str, Any]]) -> str:
    return "".join(f"{_SPACES.sub(' ', line['text'])}\n" for line in lines)


def joined(words: Iterable[Line]) -> str:
    """Return the text of words, and remove spaces from them that are not needed."""
    text = ""
    word: Line = {}
    for word in words:
        spaced = _SPACES.sub(" ", word["text"])
        word["text"] = spaced.lstrip() if not text or text.endswith(" ") else spaced
        text += word["text"]
    if word:
        word["text"] = word["text"].rstrip()
    return text.rstrip()


def _split(row: str) -> tuple[str, list[float]]:
    """Return a row without the times at its beginning, and these."""
    starts, end = [], 0
    while tag := _LINE_TAG.match(row, end):
        starts.append(_seconds(tag))
        end = tag.end()
    return row[end:], starts


def _line(content: str, start: float | None, later_seconds: float) -> Line:
    """Return a line. Times of its words move by ``later_seconds``."""
    parts = _WORD_TAG.split(content)  # text, then for each tag its three groups and the text after it
    if start is None or len(parts) == 1:
        text = _SPACES.sub(" ", _WORD_TAG.sub("", content)).strip()
        return {"start_seconds": start, "end_seconds": None, "text": text, "words": []}
    times = [_rounded(_seconds(tag) + later_seconds) for tag in _WORD_TAG.finditer(content)]
    starts = [min(times[0], start), *times]
    texts = parts[::4]
    words = [
        {"start_seconds": begin, "end_seconds": end, "text": text}
        for begin, end, text in zip_longest(starts, starts[1:], texts)
        if text.strip()
    ]
    end_seconds = None if texts[-1].strip() else times[-1]
    return {"start_seconds": start, "end_seconds": end_seconds, "text": joined(words), "words": words}


def _seconds(tag: re.Match[str]) -> float:
    minutes, seconds, fraction = tag.groups()
    return 60 * int(minutes) + float(f"{seconds}.{fraction or 0}")


def _rounded(seconds: float) -> float:
    return max(0.0, round(seconds, 3))


def _clock(seconds: float) -> str:
    hundredths = round(100 * seconds)
    return f"{hundredths // 6000:02d}:{hundredths // 100 % 60:02d}.{hundredths % 100:02d}"


def _plain(text: str) -> str:
    """Return a text in one line in which nothing looks like a time."""
    return re.sub(r"[\[<](?=\d+:)", "(", _SPACES.sub(" ", text))
