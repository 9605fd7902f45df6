"""Orders songs for a set: neighbouring keys, similar tempos, rising energy."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from soundwright.services.analysis.agents.camelot import Camelot, match_tempo

SONG_LIMIT = 40
_UNKNOWN_COST = 2.0  # as much as two steps on the wheel
_TEMPO_CLASH_COST = 5.0
_ENERGY_DROP_WEIGHT = 10.0
_ENERGY_RISE_WEIGHT = 5.0


@dataclass(frozen=True)
class Song:
    """Known properties of a song. ``energy`` is its mean level, 0 to 1."""

    id: str
    key: Camelot | None
    tempo_bpm: float | None
    energy: float | None


def transition_cost(before: Song, after: Song) -> float:
    """Return the cost of a transition. 0 is perfect. One step on the wheel and 2 % of tempo cost 1 each."""
    cost = _UNKNOWN_COST if before.key is None or after.key is None else before.key.distance(after.key)
    if before.tempo_bpm and after.tempo_bpm:
        match = match_tempo(before.tempo_bpm, after.tempo_bpm)
        cost += _TEMPO_CLASH_COST if match is None else abs(match.change_percent) / 2
    else:
        cost += _UNKNOWN_COST
    if before.energy is not None and after.energy is not None:
        rise = after.energy - before.energy
        cost += rise * _ENERGY_RISE_WEIGHT if rise >= 0 else -rise * _ENERGY_DROP_WEIGHT
    return cost


def propose_order(songs: Sequence[Song]) -> list[Song]:
    """Return the songs in a good order, which does not depend on the order of the input.

    The method is nearest neighbour from every start, followed by 2-opt: segments of the best path are reversed as long
    as that lowers the total cost (Croes, 1958).

    Raises ``ValueError``: there are more than :data:`SONG_LIMIT` songs.
    """
    if len(songs) > SONG_LIMIT:
        raise ValueError(f"at most {SONG_LIMIT} songs")
    ordered = sorted(songs, key=lambda song: song.id)
    costs = [[transition_cost(before, after) for after in ordered] for before in ordered]

    def total(path: Sequence[int]) -> float:
        return sum(costs[before][after] for before, after in itertools.pairwise(path))

    best = min(
        (_nearest(start, costs) for start in range(len(ordered))), key=lambda path: (total(path), path), default=[]
    )
    # Every reversal lowers the total, so the loop ends. The bound limits its time.
    for _ in range(len(best)):
        turned = [
            [*best[:i], *reversed(best[i:j]), *best[j:]] for i, j in itertools.combinations(range(len(best) + 1), 2)
        ]
        better = min(turned, key=lambda path: (total(path), path), default=best)
        if total(better) >= total(best) - 1e-9:
            break
        best = better
    return [ordered[place] for place in best]


def _nearest(start: int, costs: list[list[float]]) -> list[int]:
    path, left = [start], set(range(len(costs))) - {start}
    while left:
        nearest = min(left, key=lambda place: (costs[path[-1]][place], place))
        path.append(nearest)
        left.remove(nearest)
    return path
