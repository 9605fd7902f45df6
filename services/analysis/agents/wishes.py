"""What work a person asks for, read from their own words.

Tools that start work look here, and nowhere else, for leave to do it: neither a model nor a title or tag that it read
can give it. Doubtful words are no wish, for asking once more costs less than work that nobody wanted.
"""

from __future__ import annotations

import re

__all__ = ["ANALYSIS", "SEPARATION", "names", "wished_work"]

ANALYSIS, SEPARATION = "analysis", "separation"

# A verb counts where an order or a request stands: at the beginning of a sentence or behind one of these words.
_LEAD = (
    r"(?:^|[.!?;:,\n]\s*|\b(?:please|you|and|then|to|let'?s|now|also|just|kindly|pls)\s+)"
    r"(?:(?:please|now|also|just|kindly|ok|okay|hey|hi|then|and)\s+)*(?:re-?)?"
)
_START = r"(?:start|run|begin|do|make|create|launch|queue|kick off|give me)\s+(?:\w+\s+){0,4}?"
_WISHES = {
    SEPARATION: re.compile(
        rf"{_LEAD}(?:(?:separate|split|isolate|extract|unmix|demix|take\s+(?:\S+\s+){{1,4}}apart)\b"
        rf"|{_START}(?:separation|stems|unmixing)\b)"
    ),
    ANALYSIS: re.compile(rf"{_LEAD}(?:(?:analy[sz]e|measure)\b|{_START}(?:analysis|measurements?)\b)"),
}
_QUESTION = re.compile(
    r"(?:how|why|what|when|which|who|where|should|shall|is|are|was|were|does|did|has|have|had|if|do\s+(?:i|we|you|they))\b"
)
_REFUSAL = re.compile(r"\b(?:don'?t|do not|never|not|without|no need|stop|cancel|avoid|instead of|rather than)\b")
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|«[^»]*»|(?<!\w)'[^'\n]*'(?!\w)|(?<!\w)‘[^’]*’(?!\w)|`[^`]*`")
_SENTENCE = re.compile(r"[^.!?\n]+")


def wished_work(message: str) -> frozenset[str]:
    """Which of :data:`ANALYSIS` and :data:`SEPARATION` the message asks for. What it quotes asks for nothing."""
    wished = set()
    spoken = _QUOTED.sub(" it ", message.lower()).replace("’", "'")
    for sentence in _SENTENCE.findall(spoken):
        sentence = sentence.strip()
        if _QUESTION.match(sentence) or _REFUSAL.search(sentence):
            continue
        wished |= {work for work, pattern in _WISHES.items() if pattern.search(sentence)}
    return frozenset(wished)


def names(message: str, title: str) -> bool:
    """Whether the message names something of this title: as whole words, whatever their case."""
    title = " ".join(title.casefold().split())
    if len(title) < 2:
        return False
    return re.search(rf"(?<!\w){re.escape(title)}(?!\w)", " ".join(message.casefold().split())) is not None
