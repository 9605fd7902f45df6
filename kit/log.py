"""Structured logs: one event a unit of work, ids in fields, the correlation id always present."""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
import uuid
from collections.abc import Callable, Iterator

import structlog

__all__ = ["configuration", "configure", "correlation_id", "correlation_scope", "get_logger", "new_correlation_id"]

_KEY = "correlation_id"
# Without the values of local variables, which may hold secrets.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def _unconfigured() -> None:
    """What there is to hand on as long as nobody configured anything."""


_configuration: Callable[[], None] = _unconfigured


def configure(component: str, *, level: str = "info", fmt: str = "json") -> None:
    """Send this process's logs to standard error, as JSON lines or for reading on a terminal."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if fmt == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), pad_event_to=28, exception_formatter=structlog.dev.plain_traceback
        )
    )
    global _configuration
    _configuration = functools.partial(configure, component, level=level, fmt=fmt)
    threshold = getattr(logging, level.upper())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _component(component),
    ]
    structlog.configure(
        processors=[*shared, _TRACEBACKS if fmt == "json" else _keep, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        # A line is one write: components share their standard error, and what is printed in two goes between others.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard module: same shape, warnings and worse only.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def configuration() -> Callable[[], None]:
    """What gives another process the same logs as this one, to be sent and called there."""
    return _configuration


def _component(name: str) -> structlog.typing.Processor:
    def add(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["component"] = name
        return event

    return add


def _keep(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return event


def get_logger() -> structlog.typing.FilteringBoundLogger:
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def new_correlation_id() -> str:
    return uuid.uuid4().hex


def correlation_id() -> str:
    """The id that ties together all that one request caused; empty outside a request."""
    return str(structlog.contextvars.get_contextvars().get(_KEY, ""))


@contextlib.contextmanager
def correlation_scope(value: str) -> Iterator[str]:
    """Everything inside the block logs with, and passes on, this correlation id (a new one if ``value`` is empty)."""
    chosen = value or new_correlation_id()
    tokens = structlog.contextvars.bind_contextvars(**{_KEY: chosen})
    try:
        yield chosen
    finally:
        structlog.contextvars.reset_contextvars(**tokens)
