"""Finds the errors that a function of the gateway can raise, by reading its compiled code and that of all functions that it calls."""

import ast
import dis
import functools
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import Any

from soundwright.kit.errors import ErrorType

_PACKAGE = "soundwright.services.gateway"
_ROOTS = {"LOAD_GLOBAL", "LOAD_DEREF", "LOAD_FAST"}
_ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD"}


def raised_errors(
    function: Any, seen: set[tuple[CodeType, int]] | None = None, calls: tuple[str, ...] = ()
) -> Iterator[tuple[ErrorType, str]]:
    """Yield the errors that ``function`` names, or a function of the gateway that it calls, and the chain of calls to each.

    Errors that the components or the stores return, and those that a caller catches, are not found.
    """
    seen = set() if seen is None else seen
    owner = getattr(function, "__self__", None)
    function = inspect.unwrap(function.__func__ if isinstance(function, MethodType) else function)
    if not isinstance(function, FunctionType) or not function.__module__.startswith(_PACKAGE):
        return
    code = function.__code__
    if (code, id(owner)) in seen or code.co_filename == "<string>":  # of a dataclass
        return
    seen.add((code, id(owner)))
    calls = (*calls, code.co_name)
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    values = {**function.__globals__, **{name: cell.cell_contents for name, cell in cells if _is_set(cell)}}
    for found in _named(code, values, owner):
        if isinstance(found, ErrorType):
            yield found, " > ".join(calls)
        elif isinstance(found, type) and found.__module__.startswith(_PACKAGE):
            yield from raised_errors(found.__init__, seen, calls)  # type: ignore[misc]
        else:
            yield from raised_errors(found, seen, calls)


def _is_set(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _named(code: CodeType, values: dict[str, Any], owner: Any) -> Iterator[Any]:
    """Yield what the code names outside of ``try``: for example the function ``f`` for ``module.f``, or a method of ``self``."""
    arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    values = {name: value for name, value in values.items() if name not in arguments}
    if owner is not None and arguments:
        values[arguments[0]] = owner
    caught = _caught_lines(code.co_filename)
    found: Any = None
    for instruction in dis.get_instructions(code):
        if instruction.opname in _ATTRIBUTES and found is not None:
            found = getattr(found, instruction.argval, None) if not isinstance(found, ErrorType) else found
            continue
        if found is not None:
            yield found
        position = instruction.positions
        is_caught = position is not None and position.lineno in caught
        found = values.get(instruction.argval) if instruction.opname in _ROOTS and not is_caught else None
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _named(constant, values, owner)


@functools.cache
def _caught_lines(path: str) -> frozenset[int]:
    lines: set[int] = set()
    for node in ast.walk(ast.parse(Path(path).read_text())):
        match node:
            case ast.Try(body=body, handlers=handlers) if any(
                "AppError" in ast.unparse(one.type) for one in handlers if one.type
            ):
                pass
            case ast.With(items=items, body=body) if any(
                name in ast.unparse(one) for one in items for name in ("AppError", "suppressed")
            ):
                pass
            case _:
                continue
        lines.update(range(body[0].lineno, (body[-1].end_lineno or 0) + 1))
    return frozenset(lines)
