"""Limits of the current process."""

import resource

_OPEN_FILE_LIMIT = 256


def limit_process(*, memory_bytes: int, cpu_seconds: float, file_bytes: int) -> None:
    """Limit address space, CPU time, size of written files, and open files. This cannot be undone."""
    for kind, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILE_LIMIT),
    ):
        value = _at_most(resource.getrlimit(kind)[1], most)
        resource.setrlimit(kind, (value, value))
    # At the lower limit the process gets SIGXCPU, which tells the parent the reason, and at the upper one SIGKILL.
    seconds = int(cpu_seconds) + 1
    hard = _at_most(resource.getrlimit(resource.RLIMIT_CPU)[1], seconds + 1)
    resource.setrlimit(resource.RLIMIT_CPU, (min(seconds, hard), hard))


def allow_cpu_seconds(seconds: float) -> None:
    """Set the CPU time that the process can still use, within its limit."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(usage.ru_utime + usage.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (_at_most(hard, soft), hard))


def _at_most(hard: int, value: int) -> int:
    return value if hard == resource.RLIM_INFINITY else min(value, hard)
