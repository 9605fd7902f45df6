"""Pages of lists that change: a page has a number, or begins where the page before ended.

A token holds the sort values and the ID of the document at the edge of a page, so insertions and deletions do not move the next page.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field, TypeAdapter

from soundwright.kit import errors
from soundwright.kit.ports import Doc, Docs

T = TypeVar("T")
S = TypeVar("S")
_TOKEN_LIMIT = 8192
_DEFAULT_PAGE_SIZE = 20
_Value = Annotated[float, Field(allow_inf_nan=False)] | str | None
_TOKEN: TypeAdapter[tuple[bool, list[_Value]]] = TypeAdapter(tuple[bool, list[_Value]])


@dataclass(frozen=True)
class PageRequest:
    """What page to read.

    Attributes:
        limit: how many entries it has at most.
        offset: how many entries are on the pages before.
        token: of an adjacent page, instead of ``offset``.
    """

    limit: int
    offset: int = 0
    token: str = ""


@dataclass(frozen=True)
class Page(Generic[T]):
    """Entries of a list, the number of all, and the tokens of the adjacent pages, which are empty where the list ends."""

    entries: list[T]
    total_count: int
    previous_page_token: str = ""
    next_page_token: str = ""

    def map(self, change: Callable[[list[T]], list[S]]) -> "Page[S]":
        return Page(change(self.entries), self.total_count, self.previous_page_token, self.next_page_token)


async def read_page(
    docs: Docs,
    collection: str,
    where: Mapping[str, Any],
    asked: PageRequest,
    *,
    sort: tuple[str, ...],
    descending: bool,
) -> Page[Doc]:
    """Return a page of the documents that meet every condition.

    Raises ``VALIDATION_ERROR`` for a token that is not of such a list.
    """
    backwards, after = _place(asked.token, len(sort) + 1) if asked.token else (False, None)
    found = await docs.find(
        collection,
        where,
        sort=sort,
        descending=descending is not backwards,
        limit=asked.limit + 1,
        offset=0 if after else asked.offset,
        after=after,
    )
    goes_on, found = len(found) > asked.limit, found[: asked.limit]
    if backwards:
        found.reverse()
    has_previous = goes_on if backwards else bool(after or asked.offset)
    return Page(
        found,
        await docs.count(collection, where),
        _token(True, found[0], sort) if found and has_previous else "",
        _token(False, found[-1], sort) if found and (backwards or goes_on) else "",
    )


def _token(backwards: bool, doc: Doc, sort: tuple[str, ...]) -> str:
    place = json.dumps([backwards, [doc.get(field) for field in (*sort, "id")]], ensure_ascii=False)
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _place(token: str, length: int) -> tuple[bool, tuple[Any, ...]]:
    try:
        if len(token) > _TOKEN_LIMIT:
            raise ValueError
        backwards, values = _TOKEN.validate_json(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if len(values) != length or not isinstance(values[-1], str):
            raise ValueError
    except ValueError:
        sentence = "This is no cursor of this list. Follow the links of a page, or begin without a cursor."
        raise errors.invalid("cursor", "must come from a link to the next or previous page", sentence) from None
    return backwards, tuple(values)


def bounded(size: int, limit: int) -> int:
    """Return a requested page size, limited to ``limit``. The default is 20."""
    return min(limit, size) if size > 0 else _DEFAULT_PAGE_SIZE


def page_request(request: Any, limit: int) -> PageRequest:
    """Return what page a request with ``page``, ``page_size`` and ``page_token`` names."""
    offset, size = page_bounds(request.page, request.page_size, limit)
    return PageRequest(size, offset, request.page_token)


def page_to_wire(page: Page[Any]) -> dict[str, Any]:
    """Return the fields of a response that describe a page."""
    names = ("total_count", "previous_page_token", "next_page_token")
    return {name: getattr(page, name) for name in names}


def page_bounds(page: int, page_size: int, limit: int) -> tuple[int, int]:
    """Return the offset and the size of a page. Pages are numbered from 1."""
    size = bounded(page_size, limit)
    return (max(1, page) - 1) * size, size
