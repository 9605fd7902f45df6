"""Blocks in which a context variable has another value."""

from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from typing import Generic, TypeVar

T = TypeVar("T")


class Scoped(AbstractContextManager[T], Generic[T]):
    """Sets a context variable for a block. Each request and each call has several such blocks, so they have no generator."""

    __slots__ = ("_token", "_value", "_variable")
    _token: Token[T]

    def __init__(self, variable: ContextVar[T], value: T) -> None:
        self._variable = variable
        self._value = value

    def __enter__(self) -> T:
        self._token = self._variable.set(self._value)
        return self._value

    def __exit__(self, *_error: object) -> None:
        self._variable.reset(self._token)
