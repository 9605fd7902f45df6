"""Entries of a search index as MongoDB documents, and the filters that find them.

An entry has one array of terms, with a multikey index: each word of the text once, and each facet value. No index covers two arrays,
because MongoDB refuses such an index. The text itself is kept, folded, to compare phrases.
"""

from __future__ import annotations

import hashlib
import json
from itertools import product
from typing import Any

from kit.adapters.mongo.query import Filter, conjunction
from kit.adapters.mongo.search_counts import combination, part_of
from kit.ports import SearchEntry, SearchIndex, SearchQuery
from kit.tokenizer import Phrase, last_phrase, phrases, words

__all__ = ["document", "index_keys", "query_filter", "sort_key"]

_WORD_LIMIT = (
    64  # of longer words, the beginning and a hash are stored, because some engines limit the keys of an index
)
# Some engines limit a pattern. The terms of a phrase ensure that an entry has all of its words.
_PATTERN_LIMIT_CHARACTERS = 1_000
_PHRASE_LIMIT_WORDS = 1_000


def sort_key(name: str) -> str:
    """Return the stored name of a sort key.

    Raises:
        ValueError: it is not an identifier.
    """
    if not name.isidentifier():
        raise ValueError(f"not a sort key: {name!r}")
    return f"keys.{name}"


def index_keys(index: SearchIndex) -> list[list[tuple[str, int]]]:
    """Return the keys of each MongoDB index that a search index needs."""
    orders = [[*((sort_key(key), 1) for key in order), ("_id", 1)] for order in index.orders]
    return [[("terms", 1)], [("combinations", 1)], *orders]


def document(index: SearchIndex, entry: SearchEntry) -> dict[str, Any]:
    """Return an entry as a document.

    Raises:
        ValueError: the entry has a facet that the index does not define, or lacks a sort key.
    """
    if not entry.facets.keys() <= set(index.facets) or not entry.sort_keys.keys() >= set(index.sort_keys):
        raise ValueError(f"the entry does not fit the index {index.name}")
    text = words(entry.text)
    facet_terms = {_facet_term(facet, value) for facet, values in entry.facets.items() for value in values}
    return {
        "_id": entry.id,
        "revision": entry.revision,
        "terms": sorted({_word_term(word) for word in text} | facet_terms),
        "text": _blanked(text),
        "combinations": [
            part_of(entry.id),
            *(
                combination(facets, values)
                for facets in index.counted
                for values in sorted(set(product(*(entry.facets.get(facet, ()) for facet in facets))))
            ),
        ],
        "keys": {key: float(entry.sort_keys[key]) for key in index.sort_keys},
    }


def query_filter(index: SearchIndex, query: SearchQuery) -> Filter:
    """Return the filter of a query. It is empty if all entries match.

    Raises:
        ValueError: the query names facets or minimums that the index does not define.
    """
    if unknown := query.facets.keys() - set(index.facets):
        raise ValueError(f"the index {index.name} has no facets {sorted(unknown)}")
    if unknown := (query.minimums.keys() | query.maximums.keys()) - {order[0] for order in index.orders}:
        raise ValueError(f"the index {index.name} has no orders by {sorted(unknown)}")
    facets = dict(query.facets)
    # A combination is one key of its index, where several terms are several.
    counted = max((each for each in index.counted if facets.keys() >= set(each)), key=len, default=())
    clauses: list[Filter] = []
    if counted:
        clauses.append({"combinations": {"$eq": combination(counted, tuple(facets.pop(facet) for facet in counted))}})
    clauses += [{sort_key(key): {"$gte": float(least)}} for key, least in query.minimums.items()]
    clauses += [{sort_key(key): {"$lte": float(greatest)}} for key, greatest in query.maximums.items()]
    if query.only_ids is not None:
        clauses.append({"_id": {"$in": list(query.only_ids)}})
    if query.exclude_ids:
        clauses.append({"_id": {"$nin": list(query.exclude_ids)}})
    wanted = phrases(query.text)
    if query.text.strip() and not wanted:
        clauses.append({"_id": {"$in": []}})
    terms = [_facet_term(facet, value) for facet, value in facets.items()]
    if terms:
        clauses.append({"terms": {"$all": terms} if len(terms) > 1 else {"$eq": terms[0]}})
    last = last_phrase(query.text) if query.prefix else None
    options = _text_options([phrase for phrase in wanted if phrase != last])
    if last is not None:
        options.append(_prefix_filter(last))
    if len(options) == 1:
        clauses.append(options[0])
    found = conjunction(clauses)
    return {**found, "$or": options} if len(options) > 1 else found


def _text_options(wanted: list[Phrase]) -> list[Filter]:
    """Return filters of which an entry must meet one."""
    single = [_word_term(phrase[0]) for phrase in wanted if len(phrase) == 1]
    found: list[Filter] = [{"terms": {"$in": single}}] if single else []
    return found + [_phrase_filter(phrase) for phrase in wanted if len(phrase) > 1]


def _phrase_filter(phrase: Phrase) -> Filter:
    terms = [_word_term(word) for word in dict.fromkeys(phrase[:_PHRASE_LIMIT_WORDS])]
    # Words consist of letters, digits and marks, so the pattern needs no escapes.
    return {"terms": {"$all": terms}, "text": {"$regex": _blanked(phrase)[:_PATTERN_LIMIT_CHARACTERS]}}


def _prefix_filter(phrase: Phrase) -> Filter:
    """Return a filter of entries with this phrase, whose last word may be the beginning of a word."""
    start = {"terms": {"$regex": f"^word {phrase[-1][:_WORD_LIMIT]}"}}
    if len(phrase) == 1 and len(phrase[-1]) <= _WORD_LIMIT:
        return start
    others = [_word_term(word) for word in dict.fromkeys(phrase[:-1][:_PHRASE_LIMIT_WORDS])]
    terms = {"terms": {"$all": others}} if others else start
    return {**terms, "text": {"$regex": _blanked(phrase)[:-1][:_PATTERN_LIMIT_CHARACTERS]}}


def _blanked(text: list[str] | Phrase) -> str:
    """Return words with a blank before, between and after them."""
    return f" {' '.join(text)} "


def _word_term(word: str) -> str:
    if len(word) > _WORD_LIMIT:
        return f"word {word[:_WORD_LIMIT]} {hashlib.blake2b(word.encode(), digest_size=16).hexdigest()}"
    return f"word {word}"


def _facet_term(facet: str, value: str) -> str:
    return f"facet {json.dumps([facet, value])}"
