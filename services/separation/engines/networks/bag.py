"""Networks on their device."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundwright.services.separation.engines.networks.batch_size import BatchSize
from soundwright.services.separation.engines.networks.shared_batches import Rows
from soundwright.services.separation.service import Samples


@dataclass(frozen=True)
class Bag:
    """One or more networks on a device whose estimates are averaged.

    Args:
        networks: callables from float32 [items, channels, frames] to float32 [items, stems, channels, frames], both on
            ``device``. A network with a method ``valid_length`` reads that many frames for a window. A network with an
            attribute ``concurrent_calls`` is called from so many threads at once. One with the attribute ``takes_rows`` gets the
            indices of the wanted stems as a second argument, and computes no others.
        weights: float32 [networks, stems].
        channel_count: channels of the networks, 1 or 2.
        segment_frames: length of the windows that the networks process.
        overlap: part of a window that the next one shares, at least 0 and below 1.
        is_level_normalised: whether the networks read recordings of mean 0 and standard deviation 1.
        remainder: name of the stem that is the recording without all other stems; empty if there is none.
        rows: indices of ``stems`` in the outputs of the networks; None: these are ``stems``.
        runs: for each network, a function from inputs and rows to an iterator over the outputs, in batches. The engine
            that loads the bag sets them.
    """

    networks: tuple[Any, ...]
    weights: NDArray[np.float32]
    stems: tuple[str, ...]
    sample_rate_hz: int
    channel_count: int
    segment_frames: int
    overlap: float
    device: str
    is_level_normalised: bool = True
    remainder: str = ""
    rows: tuple[int, ...] | None = None
    batch_size: BatchSize = field(default_factory=BatchSize)
    runs: tuple[Callable[[Samples, Rows], Iterator[Samples]], ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        return (*self.stems, self.remainder) if self.remainder else self.stems

    def only(self, stems: Collection[str]) -> "Bag":
        """Return the part of the bag that estimates these stems: without networks that weigh nothing in all of them.

        The samples of the stems do not change. The remainder needs all other stems, so nothing is left out then.
        """
        if self.remainder and self.remainder in stems:
            return self
        kept = [index for index, stem in enumerate(self.stems) if stem in stems]
        used = np.flatnonzero(self.weights[:, kept].any(axis=1))
        rows = self.rows or range(len(self.stems))
        return replace(
            self,
            networks=tuple(self.networks[index] for index in used),
            runs=tuple(self.runs[index] for index in used),
            weights=self.weights[:, kept][used],
            stems=tuple(self.stems[index] for index in kept),
            remainder="",
            rows=self.rows if len(kept) == len(self.stems) else tuple(rows[index] for index in kept),
        )

    def empty_block(self, channel_count: int) -> dict[str, Samples]:
        """Return a block of zero frames, at which the caller may stop."""
        return {stem: np.zeros((channel_count, 0), np.float32) for stem in self.stems}


def read_frames(network: Any, length: int) -> int:
    return int(network.valid_length(length)) if hasattr(network, "valid_length") else length
