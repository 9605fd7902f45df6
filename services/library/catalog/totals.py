"""The numbers of votes and favorites in the catalog."""

import asyncio
from typing import TYPE_CHECKING

from soundwright.kit.ports import Clock
from soundwright.services.library.catalog.records import VoteTotals

if TYPE_CHECKING:
    from soundwright.services.library.catalog.listener_store import ListenerStore

_LIFETIME_SECONDS = 10.0


class Totals:
    """Counts votes and favorites for everybody who asks. Counting takes time in proportion to their number."""

    def __init__(self, store: "ListenerStore", clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._counting = asyncio.Lock()
        self._counted: tuple[float, VoteTotals] | None = None

    async def read(self) -> VoteTotals:
        """Return the totals, which are at most ten seconds old. Concurrent callers share one count."""
        async with self._counting:
            now = self._clock.now()
            if self._counted is None or not 0 <= now - self._counted[0] < _LIFETIME_SECONDS:
                self._counted = (now, await self._store.vote_totals())
            return self._counted[1]
