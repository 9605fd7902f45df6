"""What sets one public contract apart from another at the edge."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from services.gateway.limits import RateClass
from services.gateway.problem import Problem

__all__ = ["Access", "Dialect", "Rule", "dialect_for", "rule_for"]

# What every listener has beside its dialects.
_COMMON = re.compile(r"/(docs(/.*)?|openapi\.json|livez|readyz|metrics)")


class Access(enum.Enum):
    """Who may call."""

    PUBLIC = "public"
    ACCOUNT = "account"
    ANYONE = "anyone"
    """An account, and under open access also callers without a name."""
    VISITOR = "visitor"
    """A page: whoever looks at it, known by the session of their browser; else a caller without a name under open access,
    and nobody otherwise. Tokens do not count."""


@dataclass(frozen=True)
class Rule:
    """What the guard asks of one call."""

    access: Access
    rate_class: RateClass | None = None
    sessions: bool = False
    """A browser's session counts like a token. Then what is not a GET needs the page's token against forgery."""


@dataclass(frozen=True)
class Dialect:
    """A public contract.

    Attributes:
        name: as in metrics and logs.
        title: as people call it.
        paths: which paths are this dialect's where several are served on one port.
        render: a problem in this dialect's shape.
        rule: who may make a call, and out of which budget, from its method and path.
        cors: whether pages of any origin may call.
        logged_path: a path as the log may hold it, for paths that hold secrets.
        error: the shape of what ``render`` gives, a type that pydantic can describe; None: it is no JSON.
        form_methods: whether forms say in a field which method is meant.
    """

    name: str
    paths: re.Pattern[str]
    render: Callable[[Problem], Response]
    rule: Callable[[str, str], Rule]
    cors: bool = False
    logged_path: Callable[[str], str] = str
    form_methods: bool = False
    title: str = ""
    error: Any = None


def dialect_for(path: str, dialects: Sequence[Dialect]) -> Dialect:
    """The dialect that owns ``path``: the last one that claims it, else the first one."""
    return next((dialect for dialect in reversed(dialects) if dialect.paths.match(path)), dialects[0])


def rule_for(dialect: Dialect, method: str, path: str) -> Rule:
    """What the guard asks of a call: what every listener has is for all, and about the rest its dialect decides."""
    return Rule(Access.PUBLIC) if _COMMON.fullmatch(path) else dialect.rule(method, path)
