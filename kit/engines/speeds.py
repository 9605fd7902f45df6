"""How fast models run on this machine, measured on the latest jobs of this process."""

from collections import defaultdict, deque

_JOBS = 20
_SHORTEST_SECONDS = 5.0  # of a recording; with shorter ones, constant costs hide the speed


class MeasuredSpeeds:
    """The speed of each model, from its latest jobs. Nothing is stored: a new process knows no speeds."""

    def __init__(self) -> None:
        self._jobs: defaultdict[str, deque[tuple[float, float]]] = defaultdict(lambda: deque(maxlen=_JOBS))

    def note(self, model: str, audio_seconds: float, compute_seconds: float) -> None:
        """Record a finished job.

        Args:
            compute_seconds: time in which the engine processed it, without loading and storing.
        """
        if audio_seconds >= _SHORTEST_SECONDS and compute_seconds > 0:
            self._jobs[model].append((audio_seconds, compute_seconds))

    def get(self, model: str) -> float | None:
        """Return the seconds of audio per second of computing, or None if no job was measured."""
        if model not in self._jobs:
            return None
        audio, computing = (sum(column) for column in zip(*self._jobs[model], strict=True))
        return audio / computing
