"""Restricts the file system, the network and the signals of a process with Landlock (Linux 5.13 and newer)."""

import ctypes
import os
import platform
from collections.abc import Sequence
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on all architectures
_VERSION_FLAG = 1
_PATH_RULE, _PORT_RULE = 1, 2
_NO_NEW_PRIVILEGES = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_BASE_ACCESS = (1 << 13) - 1
_FILE_ACCESS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_MAKE_SPECIAL = 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12  # devices, sockets, FIFOs and symbolic links
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_SCOPES = 0b11  # abstract Unix sockets and signals


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("access", ctypes.c_uint64), ("descriptor", ctypes.c_int32))


class _PortRule(ctypes.Structure):
    _fields_ = (("access", ctypes.c_uint64), ("port", ctypes.c_uint64))


_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """Return the version of the kernel's Landlock interface, or 0 if the kernel does not offer it."""
    if platform.system() != "Linux":
        return 0
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))))


def restrict(readable: Sequence[Path], writable: Sequence[Path], tcp_port: int | None) -> int:
    """Restrict the calling thread and the threads that it starts later. This cannot be undone.

    Args:
        readable: files, and folders with all their content. Paths that do not exist are skipped.
        writable: folders whose content may also be changed.
        tcp_port: the only port to connect to (version 4 and newer); None: no port.

    Returns the version of Landlock that enforces the restrictions; 0 if the kernel does not offer it.

    Raises ``OSError``: the kernel refuses a rule.
    """
    abi = version()
    if not abi:
        return 0
    handled = _BASE_ACCESS
    for first_abi, access in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEVICE)):
        handled |= access if abi >= first_abi else 0
    attributes = _Ruleset(handled, _BIND_TCP | _CONNECT_TCP if abi >= 4 else 0, _SCOPES if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8  # an older kernel knows only the first fields
    ruleset = _call(_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0))
    try:
        for path in readable:
            _allow(ruleset, path, handled & _READ)
        for path in writable:
            _allow(ruleset, path, handled & ~_EXECUTE & ~_MAKE_SPECIAL)
        if tcp_port is not None and abi >= 4:
            rule = _PortRule(_CONNECT_TCP, tcp_port)
            _call(_ADD_RULE, ruleset, _PORT_RULE, ctypes.byref(rule), ctypes.c_uint32(0))
        if _libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
        _call(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0))
    finally:
        os.close(ruleset)
    return abi


def _allow(ruleset: int, path: Path, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        rule = _PathRule(access if path.is_dir() else access & _FILE_ACCESS, descriptor)
        _call(_ADD_RULE, ruleset, _PATH_RULE, ctypes.byref(rule), ctypes.c_uint32(0))
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
