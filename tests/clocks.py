"""A clock that tests set by hand."""


class HandClock:
    """A ``Clock`` that stands still until the test changes ``time``.

    Attributes:
        time: the current time in seconds since 1970-01-01 UTC.
    """

    def __init__(self, time: float = 1_000_000.0) -> None:
        self.time = time

    def now(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds
