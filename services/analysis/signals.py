"""What engines read: the mix, or a sum of stems."""

import itertools
from collections.abc import Collection, Iterator, Mapping

from soundwright.services.analysis.service import Recording, Samples, Signal

MIX = "mix"
_DRUMS = "drums"
VOCALS = "vocals"
_PIANO = "piano"
_STEM_OF = {Signal.VOCALS: VOCALS, Signal.PIANO: _PIANO}
_WHOLE = frozenset({_DRUMS, "bass", "other", VOCALS})
_ACCOMPANIMENT = "accompaniment"


def chosen_stems(signal: Signal, names: Collection[str]) -> tuple[str, ...]:
    """Return the stems whose sum is the wanted signal, of those that a track has; empty if there are none."""
    if name := _STEM_OF.get(signal):
        return (name,) if name in names else ()
    # Separations of some stems add the accompaniment. The stems of others are the whole song.
    if signal is Signal.WITHOUT_DRUMS and set(names) >= _WHOLE and _ACCOMPANIMENT not in names:
        return tuple(sorted(set(names) - {_DRUMS}))
    return ()


class StemSum:
    """The sum of stems of one separation, which have the same rate, channels and length."""

    def __init__(self, parts: Mapping[str, Recording]) -> None:
        self.parts = parts
        first = next(iter(parts.values()))
        self.sample_rate_hz = first.sample_rate_hz
        self.channel_count = first.channel_count
        self.frame_count = first.frame_count

    def blocks(self, block_frames: int) -> Iterator[Samples]:
        """See :class:`soundwright.services.analysis.service.Recording`."""
        first, *others = (part.blocks(block_frames) for part in self.parts.values())
        for blocks in itertools.zip_longest(first, *others):
            total = blocks[0].copy()
            for block in blocks[1:]:
                total += block
            yield total


def parts_of(recording: Recording) -> Mapping[str, Recording]:
    """Return the stems of which a recording is the sum, by name, or the recording itself as ``mix``."""
    return recording.parts if isinstance(recording, StemSum) else {MIX: recording}


def source_text(recording: Recording) -> str:
    """Return what the result says about the signal: ``mix``, or for example ``stems bass, other, vocals``."""
    names = parts_of(recording)
    return MIX if MIX in names else f"stem{'s' if len(names) > 1 else ''} {', '.join(names)}"
