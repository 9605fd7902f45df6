"""Rule-based answers from the tools that a model would use. Every number in an answer comes from a tool."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from soundwright.services.analysis.agents.requested_work import ANALYSIS, SEPARATION, names
from soundwright.services.analysis.agents.specialists import Specialist
from soundwright.services.analysis.agents.toolbox import JOB_LIMIT, Toolbox, ToolCall, Turn

_TRACK_LIMIT = 3
_NAME_THE_TRACK = "Name the track by its title or its track_id."
_FILLERS = (
    "a about all an and any are by can could do find for from get give have i in is it like list me my of on or please "
    "recommend search show similar some song songs tag tagged tags that the there to track tracks want what which with "
    "you library recording recordings"
)
_FILLER = frozenset(_FILLERS.split())
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_FORM = re.compile(r"\b(?:chorus|verse|bridge|section|chord)", re.IGNORECASE)
_WORDS = re.compile(r"\b(?:lyrics?|words)\b", re.IGNORECASE)
_CHORUS = re.compile(r"\bchorus", re.IGNORECASE)
Call = Callable[..., Awaitable[ToolCall]]


async def answer_by_rules(turn: Turn, specialist: Specialist, toolbox: Toolbox) -> str:
    """Return the specialist's answer without a model, and start the work that the user asked for."""

    async def call(name: str, **arguments: Any) -> ToolCall:
        return await toolbox.call(turn, name, arguments, [*specialist.tools, "start_separation", "start_analysis"])

    if specialist.name == "library_agent" and not turn.track_ids and not turn.requested_work:
        return await _search(turn, call)
    track_ids = await _tracks_meant(turn, call)
    started = await _start(turn, track_ids, call)
    if started:
        return "\n".join(started)
    if specialist.name == "mix_planning_agent" and len(track_ids) != 1:
        return await _order(track_ids, call)
    if not track_ids:
        return _NAME_THE_TRACK
    parts = [await _ABOUT[specialist.name](track_id, turn, call) for track_id in track_ids[:_TRACK_LIMIT]]
    return "\n\n".join(parts)


async def _tracks_meant(turn: Turn, call: Call) -> list[str]:
    """Return the tracks that the question refers to, or else those whose title the message contains."""
    if turn.track_ids:
        return list(turn.track_ids)
    listed = await call("search_tracks", titles_in=turn.message[:1000], limit=50)
    meant = [track["track_id"] for track in listed.value.get("tracks", ()) if names(turn.message, track["title"])]
    return meant[:JOB_LIMIT]


async def _start(turn: Turn, track_ids: list[str], call: Call) -> list[str]:
    lines = []
    for work, tool in ((SEPARATION, "start_separation"), (ANALYSIS, "start_analysis")):
        if work in turn.requested_work:
            for track_id in track_ids[:JOB_LIMIT]:
                made = await call(tool, track_id=track_id)
                where = "processing" if work == SEPARATION else "analysis"
                follow = "" if made.failed else f". Follow it at /api/{where}/job/{made.value['job_id']}"
                lines.append(_said(made, _sentence(made.summary + follow)))
            if not track_ids:
                lines.append(_NAME_THE_TRACK)
    return lines


async def _search(turn: Turn, call: Call) -> str:
    words = [word for word in _WORD.findall(turn.message) if word.lower() not in _FILLER]
    found = await call("search_tracks", query=" ".join(words)[:200])
    if not found.failed and not found.value["tracks"] and words:
        # A search for all words is often too narrow.
        for word in words[:3]:
            found = await call("search_tracks", query=word[:200])
            if found.failed or found.value["tracks"]:
                break
    if found.failed or not found.value["tracks"]:
        return _said(found, "No track in your library matches." if not found.failed else found.summary)
    return _said(found, _sentence(found.summary), *(_line(track) for track in found.value["tracks"]))


async def _order(track_ids: list[str], call: Call) -> str:
    made = await call("propose_set_order", track_ids=track_ids)
    if made.failed:
        return _said(made, made.summary)
    lines = []
    for place, track in enumerate(made.value["order"], start=1):
        transition = track.get("transition")
        how = f" ({transition['relation']}, tempo {_change(transition['tempo_change_percent'])})" if transition else ""
        lines.append(f"{place}. {_line(track)[2:]}{how}")
    return _said(made, "In this order, keys and tempos stay close and the energy rises:", *lines)


async def _about_analysis(track_id: str, turn: Turn, call: Call) -> str:
    if _WORDS.search(turn.message):
        return await _about_lyrics(track_id, turn, call)
    if _FORM.search(turn.message):
        return await _about_form(track_id, turn, call)
    made = await call("get_analysis", track_id=track_id)
    if made.failed:
        known = await call("get_track", track_id=track_id)
        return _said(made, made.summary) + ("" if known.failed else "\n" + _said(known, _line(known.value)[2:]))
    value = made.value
    lines = [f"Measurements of {_title(value)}:"]
    if value.get("tempo"):
        lines.append(f"- tempo: {value['tempo']} bpm{_certainty(value.get('tempo_confidence'))}")
    if value.get("key"):
        lines.append(
            f"- key: {value['key']}, {value.get('camelot')} on the Camelot wheel{_certainty(value.get('key_confidence'))}"
        )
    for name, label, unit in (
        ("energy", "energy (mean level)", ""), ("loudness_lufs", "loudness", " LUFS"),
        ("true_peak_dbtp", "true peak", " dBTP"), ("duration_seconds", "length", " s"),
    ):  # fmt: skip
        if name in value:
            lines.append(f"- {label}: {value[name]}{unit}")
    return _said(made, *lines)


async def _about_mixing(track_id: str, turn: Turn, call: Call) -> str:
    made = await call("find_compatible_tracks", track_id=track_id)
    if made.failed:
        return _said(made, made.summary)
    value = made.value
    lines = [
        f"{_title(value['track'])} mixes with {', '.join(value['compatible_keys'])}. {_sentence(made.summary)}",
        *(
            f"{_line(match)} ({match['relation']}, tempo {_change(match['tempo_change_percent'])})"
            for match in value["matches"]
        ),
    ]
    if value["unknown_count"]:
        lines.append(f"Tracks without key or tempo: {value['unknown_count']}.")
    return _said(made, *lines)


async def _about_stems(track_id: str, turn: Turn, call: Call) -> str:
    made = await call("list_stems", track_id=track_id)
    if made.failed or made.value["stems"]:
        return _said(made, _sentence(made.summary))
    return _said(made, f"{_title(made.value)} has no stems yet. Ask me to separate it.")


async def _about_cues(track_id: str, turn: Turn, call: Call) -> str:
    if _FORM.search(turn.message):
        return await _about_form(track_id, turn, call)
    made = await call("cue_points", track_id=track_id)
    if made.failed:
        return _said(made, made.summary)
    value = made.value
    lines = [f"- {cue['kind']} at {cue['time_seconds']} s (bar {cue['bar']})" for cue in value["cues"]]
    missing = [f"Missing: {what}." for what in value["missing"]]
    return _said(made, f"{_title(value)} has phrases of {value['phrase_bars']} bars:", *lines, *missing)


async def _about_form(track_id: str, turn: Turn, call: Call) -> str:
    made = await call("song_form", track_id=track_id)
    if made.failed:
        return _said(made, made.summary)
    value = made.value
    lines = [f"{_title(value)} has these sections:"]
    for section in value["sections"]:
        chords = f": {' '.join(section['chords'])}" if section["chords"] else ""
        guess = " (probably the chorus)" if section["label"] == value["likely_chorus"] else ""
        lines.append(f"- {section['label']} at {_clock(section['start_seconds'])}{guess}{chords}")
    return _said(made, *lines, *(f"Missing: {what}." for what in value["missing"]))


async def _about_lyrics(track_id: str, turn: Turn, call: Call) -> str:
    made = await call("lyrics", track_id=track_id)
    if made.failed:
        return _said(made, made.summary)
    value = made.value
    parts, chorus = value["parts"], value["likely_chorus"]
    if _CHORUS.search(turn.message):
        parts = [part for part in parts if chorus and part["label"] == chorus][:1]
        if not parts:
            return _said(made, f"Which part of {_title(value)} is the chorus is not known.")
    lines = [f"The words of {_title(value)}:"]
    for part in parts:
        guess = " (probably the chorus)" if part["label"] and part["label"] == chorus else ""
        heading = [f"{part['label']} at {_clock(part['start_seconds'])}{guess}"] if part["label"] else []
        lines += [*heading, *(f"- {line}" for line in part["lines"])]
    return _said(made, *lines)


async def _about_loudness(track_id: str, turn: Turn, call: Call) -> str:
    made = await call("loudness_advice", track_id=track_id)
    if made.failed:
        return _said(made, made.summary)
    value = made.value
    lines = [f"{_title(value)} has {value['loudness_lufs']} LUFS and a true peak of {value['true_peak_dbtp']} dBTP."]
    for advice in value["targets"]:
        limiting = f"; a limiter reduces peaks by {advice['limiting_db']} dB" if advice["limiting_db"] else ""
        lines.append(f"- {advice['target']} ({advice['target_lufs']} LUFS): {advice['gain_db']:+} dB{limiting}")
    return _said(made, *lines)


async def _about_track(track_id: str, turn: Turn, call: Call) -> str:
    companions = await call("find_compatible_tracks", track_id=track_id)
    if not companions.failed:
        return await _about_mixing(track_id, turn, call)
    made = await call("get_track", track_id=track_id)
    return _said(made, made.summary if made.failed else _line(made.value)[2:])


_ABOUT: dict[str, Callable[[str, Turn, Call], Awaitable[str]]] = {
    "track_analysis_agent": _about_analysis,
    "mix_planning_agent": _about_mixing,
    "stem_intelligence_agent": _about_stems,
    "cue_point_agent": _about_cues,
    "mastering_agent": _about_loudness,
    "library_agent": _about_track,
}


def _said(made: ToolCall, *lines: str) -> str:
    """Join the lines and name the tool that they come from."""
    return "\n".join(lines) + f"\n(from {made.name})"


def _line(track: dict[str, Any]) -> str:
    known = [track["artist"], f"{track['bpm']} bpm" if track["bpm"] else "", _key(track)]
    return f"- {_title(track)}" + "".join(f", {each}" for each in known if each)


def _key(track: dict[str, Any]) -> str:
    return f"{track['key']} ({track['camelot']})" if track["camelot"] else str(track["key"] or "")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _title(value: dict[str, Any]) -> str:
    return f"“{value['title']}”"


def _certainty(confidence: float | None) -> str:
    return "" if confidence is None else f" (confidence {confidence})"


def _change(percent: float | None) -> str:
    return "unknown or too far apart" if percent is None else f"{percent:+} %"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
