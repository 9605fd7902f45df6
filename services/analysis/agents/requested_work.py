"""Detects requests to start work in the user's own message.

Tools that start work use only this module to decide whether they may. Neither a model nor a title or tag that it read
can authorise work. Ambiguous messages start nothing: asking again costs less than unwanted work.
"""

import re

ANALYSIS, SEPARATION = "analysis", "separation"

# A verb counts as a request at the beginning of a sentence or after one of these words.
_LEAD = (
    r"(?:^|[.!?;:,\n]\s*|\b(?:please|you|and|then|to|let'?s|now|also|just|kindly|pls)\s+)"
    r"(?:(?:please|now|also|just|kindly|ok|okay|hey|hi|then|and)\s+)*(?:re-?)?"
)
_START = r"(?:start|run|begin|do|make|create|launch|queue|kick off|give me)\s+(?:\w+\s+){0,4}?"
_WORK_PATTERNS = {
    SEPARATION: re.compile(
        rf"{_LEAD}(?:(?:separate|split|isolate|extract|unmix|demix|take\s+(?:\S+\s+){{1,4}}apart)\b"
        rf"|{_START}(?:separation|stems|unmixing)\b)"
    ),
    ANALYSIS: re.compile(rf"{_LEAD}(?:(?:analy[sz]e|measure)\b|{_START}(?:analysis|measurements?)\b)"),
}
_QUESTION = re.compile(
    r"(?:how|why|what|when|which|who|where|should|shall|is|are|was|were|does|did|has|have|had|if|do\s+(?:i|we|you|they))\b"
)
# Before the verb, these words make a clause ask: "tell me how to separate this" wants an explanation.
_ASKING = re.compile(
    r"\b(?:how|why|whether|what|when|where|which|ways?|possible|explain|describe|teach|learn|advice|tips?)\b"
)
_REFUSAL = re.compile(r"\b(?:don'?t|do not|never|not|without|no need|stop|cancel|avoid|instead of|rather than)\b")
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|«[^»]*»|(?<!\w)'[^'\n]*'(?!\w)|(?<!\w)‘[^’]*’(?!\w)|`[^`]*`")
_SENTENCE = re.compile(r"[^.!?\n]+")
_CLAUSE_END = re.compile(r"[,;:]|\bthen\b")


def requested_work(message: str) -> frozenset[str]:
    """Return which of :data:`ANALYSIS` and :data:`SEPARATION` the message requests. Quoted text is ignored."""
    requested = set()
    unquoted = _QUOTED.sub(" it ", message.lower()).replace("’", "'")
    for sentence in _SENTENCE.findall(unquoted):
        sentence = sentence.strip()
        if _QUESTION.match(sentence) or _REFUSAL.search(sentence):
            continue
        for clause in _CLAUSE_END.split(sentence):
            for work, pattern in _WORK_PATTERNS.items():
                found = pattern.search(clause.strip())
                if found and not _ASKING.search(clause.strip(), 0, found.end()):
                    requested.add(work)
    return frozenset(requested)


def names(message: str, title: str) -> bool:
    """Return whether the message contains the title as whole words, ignoring case."""
    title = " ".join(title.casefold().split())
    if len(title) < 2:
        return False
    return re.search(rf"(?<!\w){re.escape(title)}(?!\w)", " ".join(message.casefold().split())) is not None
