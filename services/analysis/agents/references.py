"""What an answer refers to: the tracks that it uses, and work that would improve it."""

from collections.abc import Iterator, Sequence
from typing import Any

from soundwright.library.v1.conversation_service_pb2 import SuggestedWork, TrackReference
from soundwright.services.analysis.agents.requested_work import ANALYSIS, SEPARATION
from soundwright.services.analysis.agents.toolbox import ToolCall

_TRACK_LIMIT = 20
_SUGGESTION_LIMIT = 5
# The reasons of tools that have too few measurements of a track.
_UNMEASURED = ("ANALYSIS_NOT_FOUND", "MEASUREMENT_MISSING")


def tracks_of(calls: Sequence[ToolCall]) -> list[TrackReference]:
    """Return the tracks in the results of tools, each once, in the order in which they occur; at most 20."""
    titles = {track["track_id"]: track["title"] for call in calls for track in _tracks_in(call.value)}
    return [TrackReference(track_id=track_id, title=title) for track_id, title in titles.items()][:_TRACK_LIMIT]


def suggested_work(calls: Sequence[ToolCall]) -> list[SuggestedWork]:
    """Return the analyses and separations that tools lacked, except those that the answer has started; at most 5."""
    titles = {track.track_id: track.title for track in tracks_of(calls)}
    started = {(call.value.get("work"), call.value.get("track_id")) for call in calls}
    wanted = dict.fromkeys(need for call in calls if (need := _need(call)) is not None and need not in started)
    return [SuggestedWork(work=work, track_id=track_id, title=titles.get(track_id, "")) for work, track_id in wanted][
        :_SUGGESTION_LIMIT
    ]


def _need(call: ToolCall) -> tuple[str, str] | None:
    if call.failed and call.reason in _UNMEASURED and "track_id" in call.arguments:
        return ANALYSIS, call.arguments["track_id"]
    if not call.failed and call.value.get("stems") == []:
        return SEPARATION, call.value["track_id"]
    return None


def _tracks_in(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects that describe a track, at most three levels deep as in the results of the tools."""
    if isinstance(value, list):
        for each in value:
            yield from _tracks_in(each)
    elif isinstance(value, dict):
        if "track_id" in value and "title" in value:
            yield value
        for each in value.values():
            if isinstance(each, dict | list):
                yield from _tracks_in(each)
