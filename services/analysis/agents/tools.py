"""The tools of the agents: they read and start things through the platform's services, on behalf of the caller.

Every call carries the caller's principal, so the services return only what the caller may see. Titles, artists, tags and
lyrics are untrusted text. The tools pass them on as values.
"""

import asyncio
import itertools
import json
import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from soundwright.analysis.v1 import analysis_service_pb2, analysis_service_pb2_grpc
from soundwright.kit import errors, lrc
from soundwright.kit.bars import bars_of
from soundwright.kit.errors import AppError, Code
from soundwright.library.v1 import library_service_pb2 as library_pb
from soundwright.library.v1 import library_service_pb2_grpc, track_pb2
from soundwright.separation.v1 import separation_service_pb2, separation_service_pb2_grpc
from soundwright.services.analysis.agents.camelot import match_tempo, parse_key
from soundwright.services.analysis.agents.cue_points import find_cues, likely_chorus
from soundwright.services.analysis.agents.loudness_advice import advise
from soundwright.services.analysis.agents.requested_work import ANALYSIS, SEPARATION, names
from soundwright.services.analysis.agents.set_order import SONG_LIMIT, Song, propose_order
from soundwright.services.analysis.agents.toolbox import Found, Tool, Turn

_PAGE_SIZE = 100
_PAGE_LIMIT = 20
_TEXT_LENGTH = 200
_TAG_LIMIT = 10
_SECTION_LIMIT = 60
_CHORD_LIMIT = 8
_LINE_LIMIT = 200
_SHORT_CHORD_SECONDS = 0.3
_MEASURED = (
    "tempo", "tempo_confidence", "beat_count", "key", "camelot", "key_confidence", "key_runner_up", "energy",
    "loudness_lufs", "true_peak_dbtp", "duration_seconds", "spectral_centroid", "spectral_rolloff", "zero_crossing_rate",
)  # fmt: skip
# The first coefficient of an orthonormal DCT of 128 levels in dB is their mean times this factor.
_MFCC_SCALE = math.sqrt(128)


def _canonical(value: str) -> str:
    return str(uuid.UUID(value))


TrackId = Annotated[str, Field(max_length=64, description="ID of a track"), AfterValidator(_canonical)]


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OneTrack(_Parameters):
    track_id: TrackId


class Search(_Parameters):
    query: str = Field("", max_length=200, description="Words in title, artist, album or tags. If empty, all tracks.")
    titles_in: str = Field("", max_length=1000, description="A text. Only tracks whose complete title it contains.")
    min_bpm: float | None = Field(None, ge=0, le=1000, allow_inf_nan=False)
    max_bpm: float | None = Field(None, ge=0, le=1000, allow_inf_nan=False)
    limit: int = Field(20, ge=1, le=50)


class Companions(OneTrack):
    limit: int = Field(10, ge=1, le=50)


class Several(_Parameters):
    track_ids: list[TrackId] = Field(
        default_factory=list, max_length=SONG_LIMIT, description="If empty, the newest analysed tracks of the library."
    )


class Tools:
    """The tools of one deployment. :attr:`all` lists them."""

    def __init__(
        self,
        tracks: library_service_pb2_grpc.TrackServiceStub,
        separation: separation_service_pb2_grpc.SeparationServiceStub,
        analysis: analysis_service_pb2_grpc.AnalysisServiceStub,
    ) -> None:
        self._tracks = tracks
        self._separation = separation
        self._analysis = analysis
        self.all = (
            Tool("search_tracks", "Search the user's tracks, newest first.", Search, self._search),
            Tool("get_track", "Get title, artist, key, tempo and tags of a track.", OneTrack, self._get_track),
            Tool("get_analysis", "Get the measurements of a track.", OneTrack, self._get_analysis),
            Tool("list_stems", "List the stems of a separated track.", OneTrack, self._list_stems),
            Tool(
                "find_compatible_tracks",
                "Find tracks that mix well with a track, by the Camelot wheel and with tempos within 6 %.",
                Companions,
                self._find_compatible,
            ),
            Tool(
                "propose_set_order", "Propose an order of tracks with good transitions.", Several, self._propose_order
            ),
            Tool("loudness_advice", "Compare loudness and peak with common targets.", OneTrack, self._loudness),
            Tool("song_form", "Get the sections, bars and chords of a track.", OneTrack, self._song_form),
            Tool("lyrics", "Get the words that are sung in a track, by section.", OneTrack, self._lyrics),
            Tool("cue_points", "Find markers at phrases, drops and breakdowns.", OneTrack, self._cue_points),
            Tool(
                "start_separation",
                "Start the separation of a track into stems. Only if the user asks for it.",
                OneTrack,
                self._start_separation,
                work=SEPARATION,
            ),
            Tool(
                "start_analysis",
                "Start the analysis of a track. Only if the user asks for it.",
                OneTrack,
                self._start_analysis,
                work=ANALYSIS,
            ),
        )

    async def _search(self, turn: Turn, wanted: Search) -> Found:
        answer = await self._tracks.ListTracks(
            library_pb.ListTracksRequest(
                page=1,
                page_size=wanted.limit,
                search=wanted.query,
                titles_in=wanted.titles_in,
                min_bpm=wanted.min_bpm,
                max_bpm=wanted.max_bpm,
            )
        )
        value = {"tracks": [_brief(track) for track in answer.tracks], "total_count": answer.total_count}
        return Found(value, f"{answer.total_count} tracks found, {len(answer.tracks)} shown")

    async def _get_track(self, turn: Turn, wanted: OneTrack) -> Found:
        value = _brief(await self._track(wanted.track_id))
        known = [f"{value['bpm']} bpm" if value["bpm"] else "", value["key"] or "", f"{value['duration_seconds']} s"]
        return Found(value, f"{_called(value)}: {', '.join(filter(None, known))}")

    async def _get_analysis(self, turn: Turn, wanted: OneTrack) -> Found:
        track = _brief(await self._track(wanted.track_id))
        measured = await self._measured(wanted.track_id)
        value = {name: _rounded(measured[name]) for name in _MEASURED if measured.get(name) is not None}
        shown = [
            f"{value['tempo']} bpm" if value.get("tempo") else "",
            f"{value['key']} ({value.get('camelot')})" if "key" in value else "",
            f"energy {value['energy']}" if "energy" in value else "",
            f"{value['loudness_lufs']} LUFS" if "loudness_lufs" in value else "",
        ]
        value = {"track_id": wanted.track_id, "title": track["title"], **value}
        return Found(value, f"{_called(track)}: {', '.join(filter(None, shown)) or 'no values to show'}")

    async def _list_stems(self, turn: Turn, wanted: OneTrack) -> Found:
        track = _brief(await self._track(wanted.track_id))
        answer = await self._tracks.ListStems(library_pb.ListStemsRequest(track_id=wanted.track_id))
        stems = [{"stem_id": stem.id, "name": stem.name, "peak": _rounded(stem.peak)} for stem in answer.stems]
        listed = ", ".join(stem["name"] for stem in stems) or "no stems yet"
        return Found(
            {"track_id": wanted.track_id, "title": track["title"], "stems": stems}, f"{_called(track)}: {listed}"
        )

    async def _find_compatible(self, turn: Turn, wanted: Companions) -> Found:
        own = await self._track(wanted.track_id)
        key = parse_key(own.key)
        if key is None or not own.bpm:
            lacking = " and ".join(name for name, given in (("key", key), ("tempo", own.bpm)) if not given)
            raise errors.MEASUREMENT_MISSING(
                f"The {lacking} of {_called(_brief(own))} is not known. Analyse the track, or enter the value."
            )
        matches, unknown_count, compared_count = [], 0, 0
        for track in await self._library():
            if track.id == own.id:
                continue
            compared_count += 1
            other = parse_key(track.key)
            if other is None or not track.bpm:
                unknown_count += 1
                continue
            relation, tempo = key.relation(other), match_tempo(own.bpm, track.bpm)
            if relation is not None and tempo is not None:
                matches.append(
                    {
                        **_brief(track),
                        "relation": relation,
                        "tempo_change_percent": round(tempo.change_percent, 1) + 0.0,
                        "tempo_feel": tempo.feel,
                    }
                )
        order = ("same key", "relative", "one step up", "one step down")
        matches.sort(
            key=lambda m: (order.index(m["relation"]), abs(m["tempo_change_percent"]), m["title"], m["track_id"])
        )
        value: dict[str, Any] = {
            "track": _brief(own),
            "compatible_keys": [str(code) for code in key.compatible()],
            "matches": matches[: wanted.limit],
            "match_count": len(matches),
            "compared_count": compared_count,
            "unknown_count": unknown_count,
        }
        named = f"{_called(value['track'])} ({key}, {_rounded(own.bpm)} bpm)"
        summary = f"{len(matches)} of {compared_count} tracks match {named}"
        return Found(value, summary)

    async def _propose_order(self, turn: Turn, wanted: Several) -> Found:
        if wanted.track_ids:
            ids = list(dict.fromkeys(wanted.track_ids))
            tracks = list(await asyncio.gather(*(self._track(track_id) for track_id in ids)))
        else:
            tracks = [track for track in await self._library() if track.analyzed][:SONG_LIMIT]
        if len(tracks) < 2:
            raise errors.TOO_FEW_TRACKS()
        energies = await asyncio.gather(*(self._energy(track) for track in tracks))
        songs = [
            Song(track.id, parse_key(track.key), track.bpm or None, energy)
            for track, energy in zip(tracks, energies, strict=True)
        ]
        ordered = await asyncio.to_thread(propose_order, songs)
        by_id = {track.id: _brief(track) for track in tracks}
        places = [{**by_id[song.id], "energy": _rounded(song.energy)} for song in ordered]
        for (before, after), place in zip(itertools.pairwise(ordered), places[1:], strict=True):
            place["transition"] = _transition(before, after)
        return Found({"order": places}, " → ".join(_called(place) for place in places))

    async def _loudness(self, turn: Turn, wanted: OneTrack) -> Found:
        track = _brief(await self._track(wanted.track_id))
        measured = await self._measured(wanted.track_id)
        lufs, peak = measured.get("loudness_lufs"), measured.get("true_peak_dbtp")
        if lufs is None or peak is None:
            raise _missing(track, "loudness", "energy")
        targets = [
            {
                "target": advice.target,
                "target_lufs": advice.target_lufs,
                "gain_db": round(advice.gain_db, 1) + 0.0,
                "peak_dbtp": round(advice.peak_dbtp, 1) + 0.0,
                "limiting_db": round(advice.limiting_db, 1),
            }
            for advice in advise(lufs, peak)
        ]
        value = {"track_id": wanted.track_id, "title": track["title"], "targets": targets}
        value |= {"loudness_lufs": round(lufs, 1), "true_peak_dbtp": round(peak, 1)}
        return Found(value, f"{_called(track)}: {value['loudness_lufs']} LUFS, {value['true_peak_dbtp']} dBTP")

    async def _cue_points(self, turn: Turn, wanted: OneTrack) -> Found:
        track = _brief(await self._track(wanted.track_id))
        measured = await self._measured(wanted.track_id)
        bars = bars_of(measured)["downbeats"]
        if not bars:
            raise _missing(track, "beats", "tempo")
        matrices = measured.get("features") or {}
        levels = [coefficient / _MFCC_SCALE for coefficient in (matrices.get("mfcc") or [[]])[0]]
        phrase_bars, cues = find_cues(bars, levels, matrices.get("mfcc_hop_seconds") or 0.0)
        value = {
            "track_id": wanted.track_id,
            "title": track["title"],
            "phrase_bars": phrase_bars,
            "cues": [{"kind": cue.kind, "bar": cue.bar, "time_seconds": round(cue.time_seconds, 2)} for cue in cues],
            "missing": [] if levels else ["levels over time, to find drops. Analyse the feature mfcc"],
        }
        return Found(value, f"{_called(track)}: {len(cues)} cues, phrases of {phrase_bars} bars")

    async def _song_form(self, turn: Turn, wanted: OneTrack) -> Found:
        track = _brief(await self._track(wanted.track_id))
        measured = await self._measured(wanted.track_id)
        sections = (measured.get("sections") or {}).get("segments", [])
        if not sections:
            raise _missing(track, "sections", "sections")
        chords = (measured.get("chords") or {}).get("segments", [])
        likely = likely_chorus([(each["label"], each["end_seconds"] - each["start_seconds"]) for each in sections])
        value = {
            "track_id": wanted.track_id,
            "title": track["title"],
            "beats_per_bar": (measured.get("bars") or {}).get("beats_per_bar"),
            "likely_chorus": likely,  # the letter of a section
            "sections": [
                {
                    "label": each["label"],
                    "start_seconds": each["start_seconds"],
                    "end_seconds": each["end_seconds"],
                    "chords": _chords_between(chords, each["start_seconds"], each["end_seconds"]),
                }
                for each in sections[:_SECTION_LIMIT]
            ],
            "missing": [] if chords else ["chords. Analyse the feature chords"],
        }
        return Found(value, f"{_called(track)}: {len(sections)} sections")

    async def _lyrics(self, turn: Turn, wanted: OneTrack) -> Found:
        found = await self._track(wanted.track_id)
        track = _brief(found)
        measured = await self._measured(wanted.track_id) if found.analyzed else {}
        if found.corrections.HasField("lyrics"):
            lines = await asyncio.to_thread(lrc.lines_of, found.corrections.lyrics)
        else:
            lines = (measured.get("lyrics") or {}).get("lines", [])
        if not lines:
            raise _missing(track, "lyrics", "lyrics")
        sections = (measured.get("sections") or {}).get("segments", [])[:_SECTION_LIMIT]
        parts: list[dict[str, Any]] = [{"label": None, "start_seconds": 0.0, "lines": []}]
        parts += [{"label": each["label"], "start_seconds": each["start_seconds"], "lines": []} for each in sections]
        for line in lines[:_LINE_LIMIT]:
            start = line["start_seconds"]
            place = 0 if start is None else sum(part["start_seconds"] <= start for part in parts) - 1
            parts[place]["lines"].append(line["text"][:_TEXT_LENGTH])
        value = {
            "track_id": wanted.track_id,
            "title": track["title"],
            "likely_chorus": likely_chorus(
                [(each["label"], each["end_seconds"] - each["start_seconds"]) for each in sections]
            ),
            "parts": [part for part in parts if part["lines"]],
            "missing": [] if sections else ["sections. Analyse the feature sections"],
        }
        return Found(value, f"{_called(track)}: {len(lines)} lines of lyrics")

    async def _start_separation(self, turn: Turn, wanted: OneTrack) -> Found:
        track = await self._named_track(turn, wanted.track_id)
        answer = await self._separation.CreateJob(
            separation_service_pb2.CreateJobRequest(
                track_id=track.id, idempotency_key=f"agent:{turn.id}:{SEPARATION}:{track.id}"
            )
        )
        return _started(SEPARATION, answer.job.id, track)

    async def _start_analysis(self, turn: Turn, wanted: OneTrack) -> Found:
        track = await self._named_track(turn, wanted.track_id)
        answer = await self._analysis.CreateJob(
            analysis_service_pb2.CreateJobRequest(
                track_id=track.id, idempotency_key=f"agent:{turn.id}:{ANALYSIS}:{track.id}"
            )
        )
        return _started(ANALYSIS, answer.job.id, track)

    async def _named_track(self, turn: Turn, track_id: str) -> track_pb2.Track:
        """Return a track that the user refers to or names. Work may be started only for such tracks."""
        track = await self._track(track_id)
        message = turn.message.lower()
        if track.id in turn.track_ids or track.id in message or names(turn.message, track.title):
            return track
        raise errors.TRACK_NOT_NAMED()

    async def _track(self, track_id: str) -> track_pb2.Track:
        try:
            answer = await self._tracks.GetTrack(library_pb.GetTrackRequest(track_id=track_id))
        except AppError as error:
            if error.code in (Code.PERMISSION_DENIED, Code.NOT_FOUND):
                raise errors.TRACK_NOT_FOUND("The user's library has no such track.") from None
            raise
        track: track_pb2.Track = answer.track
        return track

    async def _library(self) -> list[track_pb2.Track]:
        """Return the caller's tracks, newest first. At most 2000."""
        tracks: list[track_pb2.Track] = []
        token = ""
        for _ in range(_PAGE_LIMIT):
            asked = library_pb.ListTracksRequest(page_size=_PAGE_SIZE, page_token=token)
            answer = await self._tracks.ListTracks(asked)
            tracks += answer.tracks
            token = answer.next_page_token
            if not token:
                break
        return tracks

    async def _measured(self, track_id: str) -> dict[str, Any]:
        answer = await self._tracks.GetAnalysis(library_pb.GetAnalysisRequest(track_id=track_id))
        values: dict[str, Any] = await asyncio.to_thread(json.loads, answer.analysis.values_json)
        return values

    async def _energy(self, track: track_pb2.Track) -> float | None:
        if not track.analyzed:
            return None
        try:
            return (await self._measured(track.id)).get("energy")
        except AppError as error:
            if error.code is Code.NOT_FOUND:
                return None
            raise


def _brief(track: track_pb2.Track) -> dict[str, Any]:
    key = parse_key(track.key)
    return {
        "track_id": track.id,
        "title": track.title[:_TEXT_LENGTH],
        "artist": track.artist[:_TEXT_LENGTH],
        "duration_seconds": round(track.duration_seconds, 1),
        "bpm": _rounded(track.bpm) if track.HasField("bpm") and track.bpm else None,
        "key": track.key or None,
        "camelot": str(key) if key else None,
        "tags": list(track.tags)[:_TAG_LIMIT],
        "analyzed": track.analyzed,
        "stem_count": track.stem_count,
    }


def _chords_between(chords: Sequence[Mapping[str, Any]], start_seconds: float, end_seconds: float) -> list[str]:
    """Return the labels of the first chords of a section."""
    inside = [
        each["label"]
        for each in chords
        if min(each["end_seconds"], end_seconds) - max(each["start_seconds"], start_seconds) > _SHORT_CHORD_SECONDS
    ]
    return inside[:_CHORD_LIMIT]


def _called(brief: dict[str, Any]) -> str:
    return f"“{brief['title']}”"


def _transition(before: Song, after: Song) -> dict[str, Any]:
    tempo = match_tempo(before.tempo_bpm or 0.0, after.tempo_bpm or 0.0)
    keys = (before.key, after.key) if before.key and after.key else None
    return {
        "relation": (keys[0].relation(keys[1]) or "clash") if keys else "unknown",
        "wheel_steps": keys[0].distance(keys[1]) if keys else None,
        "tempo_change_percent": round(tempo.change_percent, 1) + 0.0 if tempo else None,
    }


def _started(work: str, job_id: str, track: track_pb2.Track) -> Found:
    value = {"job_id": job_id, "track_id": track.id, "title": track.title[:_TEXT_LENGTH], "work": work}
    return Found(value, f"{work} of {_called(value)} started as job {job_id}")


def _missing(track: dict[str, Any], what: str, feature: str) -> AppError:
    return errors.MEASUREMENT_MISSING(
        f"No measurement of the {what} of {_called(track)}. Analyse the track with the feature {feature}."
    )


def _rounded(value: Any) -> Any:
    """Round numbers for display: one decimal, or three decimals below 1."""
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    if isinstance(value, bool) or not isinstance(value, float):
        return value
    return round(value, 1 if abs(value) >= 1 else 3) + 0.0
