"""Structured logs: one event per unit of work, IDs in fields, and always a correlation ID."""

import contextlib
import contextvars
import functools
import io
import json
import logging
import math
import secrets
import sys
import time
from collections.abc import Callable
from typing import TextIO, cast

import structlog

from soundwright.kit.scoped import Scoped

_correlation_id: contextvars.ContextVar[str] = contextvars.ContextVar("correlation_id", default="")
_REPEAT_SECONDS = 60.0
# Local variables are omitted, because they may contain secrets.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def _do_nothing() -> None:
    """The configuration before :func:`configure` is called."""


_configuration: Callable[[], None] = _do_nothing


def configure(component: str, *, level: str = "info", fmt: str = "json") -> None:
    """Configure logging to standard error.

    Args:
        fmt: ``json`` for JSON lines, or ``console`` for a terminal.
    """
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(_as_json)
        if fmt == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), pad_event_to=28, exception_formatter=_printable_traceback
        )
    )
    # JSON has no control characters. On a terminal, those of a client could hide lines or run commands.
    printable: list[structlog.typing.Processor] = [] if fmt == "json" else [_printable_values]
    global _configuration
    _configuration = functools.partial(configure, component, level=level, fmt=fmt)
    threshold = getattr(logging, level.upper())
    output = _Output(sys.stderr)
    shared: list[structlog.typing.Processor] = [
        _add_correlation_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _component(component),
    ]
    structlog.configure(
        processors=[*shared, _TRACEBACKS if fmt == "json" else _identity, *printable, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        # One write per line: components share standard error, and two writes could interleave with other lines.
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, output)),
        cache_logger_on_first_use=True,
    )
    # Libraries use the standard logging module. Show their warnings and errors in the same format.
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *printable, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


class _Output:
    """Writes lines of the log. It drops those that cannot be written: a full disk must not stop a component."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


def configuration() -> Callable[[], None]:
    """Return a picklable function that configures another process to log like this one."""
    return _configuration


def _add_correlation_id(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if value := _correlation_id.get():
        event.setdefault("correlation_id", value)
    return event


def _component(name: str) -> structlog.typing.Processor:
    def add(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["component"] = name
        return event

    return add


def _printable(text: str) -> str:
    """Return ``text`` with escapes in place of the characters that a terminal does not print."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _printable_values(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    # The console renderer shows other values by their representation, which has escapes already.
    escaped = {
        _printable(name): _printable(value) if isinstance(value, str) else value for name, value in event.items()
    }
    if isinstance(event.get("exception"), str):
        escaped["exception"] = _printable_lines(event["exception"])
    return escaped


def _printable_traceback(target: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    text = io.StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    target.write(_printable_lines(text.getvalue()))


def _printable_lines(text: str) -> str:
    """Return ``text`` indented, so that none of its lines looks like an entry of the log."""
    return "\n".join(f"  {_printable(line)}".rstrip() for line in text.split("\n"))


@functools.cache
def _encoder(default: Callable[[object], object]) -> json.JSONEncoder:
    return json.JSONEncoder(default=default)


def _as_json(event: structlog.typing.EventDict, default: Callable[[object], object]) -> str:
    return _encoder(default).encode(event)  # json.dumps would make an encoder for each line


def _identity(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return event


def get_logger() -> structlog.typing.FilteringBoundLogger:
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


class FailureLog:
    """Logs failures that repeat while their cause lasts: each kind at most once a minute, with the number of those in between."""

    def __init__(self) -> None:
        self._latest: dict[tuple[str, str], tuple[float, int]] = {}

    def error(self, event: str, *, kind: str, **fields: object) -> None:
        """Log a failure, unless one of this event and kind was logged less than a minute ago."""
        now = time.monotonic()
        logged, repeats = self._latest.get((event, kind), (-math.inf, 0))
        if now - logged < _REPEAT_SECONDS:
            self._latest[event, kind] = logged, repeats + 1
            return
        self._latest[event, kind] = now, 0
        get_logger().error(event, kind=kind, repeats=repeats, **fields)


def new_correlation_id() -> str:
    return secrets.token_hex(16)


def correlation_id() -> str:
    """Return the correlation ID of the current request, or an empty string outside of a request."""
    return _correlation_id.get()


def correlation_scope(value: str) -> Scoped[str]:
    """Use a correlation ID for logs and calls inside the block. An empty ``value`` creates a new ID."""
    return Scoped(_correlation_id, value or new_correlation_id())
