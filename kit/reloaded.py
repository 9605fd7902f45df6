"""Values that come from files, and are read again when the files change."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from soundwright.kit.log import get_logger

T = TypeVar("T")
log = get_logger()


class Reloaded(Generic[T]):
    """A value from files. While the files cannot be used, the last usable value stays.

    Args:
        name: of the log events ``<name>.reloaded`` and ``<name>.reload_failed``.
        failures: what ``read`` raises for unusable files. The first read raises it to the caller.
    """

    def __init__(
        self, name: str, paths: Iterable[str | Path], read: Callable[[], T], failures: tuple[type[Exception], ...]
    ) -> None:
        self._name = name
        self._paths = tuple(map(Path, paths))
        self._read = read
        self._failures = failures
        self._stamps = self._current_stamps()
        self._value = read()

    @property
    def current(self) -> T:
        """The value of the files as they are now."""
        self.changed()
        return self._value

    def changed(self) -> T | None:
        """Return the new value if the files have changed since the last call, and can be used; otherwise None."""
        stamps = self._current_stamps()
        if stamps == self._stamps:
            return None
        self._stamps = stamps
        try:
            self._value = self._read()
        except self._failures as error:
            log.warning(f"{self._name}.reload_failed", error=str(error))
            return None
        log.info(f"{self._name}.reloaded", files=[str(path) for path in self._paths])
        return self._value

    def _current_stamps(self) -> list[tuple[int, int, int]]:
        """Return what changes with the files. Links are followed, so the swap of a mounted Kubernetes secret is a change."""
        return [_stamp(path) for path in self._paths]


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0, 0)
    return (status.st_ctime_ns, status.st_ino, status.st_size)  # ctime: new permissions are a change, too
