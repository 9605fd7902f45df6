"""The best intervals of each track, and their notes. This module imports PyTorch.

Yan, Cwitkowitz and Duan, "Skipping the frame-level: event-based piano transcription with neural semi-CRFs", NeurIPS 2021. Intervals of
a track may share an edge and do not overlap otherwise. Those with the largest sum of scores are found from the end to the beginning.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from soundwright.services.analysis.engines.piano.network import TRACKS, PianoNetwork

_BLOCK = 32  # frames whose scores are in memory at the same time


class Note(NamedTuple):
    """A note or a use of a pedal.

    Args:
        end: its end in frames.
        track: MIDI pitch, or a negative controller.
        velocity: 0 to 127.
        has_onset: whether it begins here; otherwise it lasts from before.
        has_offset: whether it ends here.
    """

    start: float
    end: float
    track: int
    velocity: int
    has_onset: bool
    has_offset: bool


def decode(
    network: PianoNetwork, features: Tensor, first_frames: Sequence[int], last_frame: int
) -> tuple[list[Note], list[int]]:
    """Return the notes in order, and the last frame of the last note of each track that ends; 0 if none does.

    Args:
        features: what the network says about a segment, float32 [tracks, frames, 256].
        first_frames: for each track, the frame before which no note begins.
        last_frame: a note that lasts to this frame may go on after it.
    """
    intervals = best_intervals(network.scores(features), first_frames)
    places = [(track, begin, end) for track, found in enumerate(intervals) for begin, end in found]
    ends = [0] * len(TRACKS)
    if not places:
        return [], ends
    tracks, begins, stops = torch.tensor(places).T
    described = network.notes(features[tracks, begins], features[tracks, stops])
    notes: list[Note] = []
    free = [0.0] * len(TRACKS)  # where the previous note of a track ends
    for (track, begin, end), velocity, shifts, present in zip(
        places, *(values.tolist() for values in described), strict=True
    ):
        start = max(begin + shifts[0], free[track])
        free[track] = max(end + shifts[1], start)
        has_offset = end < last_frame or present[1]
        if has_offset:
            ends[track] = end
        notes.append(Note(start, free[track], TRACKS[track], velocity, begin > 0 or present[0], has_offset))
    return sorted(notes), ends


def best_intervals(scores: Tensor, first_frames: Sequence[int]) -> list[list[tuple[int, int]]]:
    """Return the intervals, first and last frame, of each track.

    Args:
        scores: for the end and for the begin of an interval, and for an interval of one frame, float32 [tracks, frames, 2 * size + 1].
        first_frames: for each track, the frame before which no interval begins.
    """
    size, count = scores.shape[2] // 2, scores.shape[1]
    ends, begins, single = scores[..., :size] / size**0.5, scores[..., size : 2 * size], scores[..., -1]
    best = single.clamp(min=0)  # the largest sum from a frame on
    successors = torch.zeros(scores.shape[:2], dtype=torch.long)  # where the interval from a frame ends; 0: none begins
    for stop in range(count - 1, 0, -_BLOCK):
        start = max(0, stop - _BLOCK)
        lengths = torch.arange(start, count)[None] - torch.arange(start, stop)[:, None]
        block = begins[:, start:stop] @ ends[:, start:].transpose(1, 2) * lengths
        for frame in range(stop - 1, start - 1, -1):
            sums, places = (best[:, frame + 1 :] + block[:, frame - start, frame + 1 - start :]).max(dim=1)
            begins_here = sums > best[:, frame + 1]
            successors[:, frame] = torch.where(begins_here, places + frame + 1, 0)
            best[:, frame] += torch.where(begins_here, sums, best[:, frame + 1])
    intervals = []
    for following, is_single, frame in zip(successors.tolist(), (single > 0).tolist(), first_frames, strict=True):
        found = []
        while frame < count:
            if is_single[frame]:
                found.append((frame, frame))
            if following[frame]:
                found.append((frame, following[frame]))
            frame = following[frame] or frame + 1
        intervals.append(found)
    return intervals
