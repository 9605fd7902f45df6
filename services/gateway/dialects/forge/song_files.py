"""Analyses as files for other programs: notes as MIDI, chords, a chord sheet, a click track, lyrics, and projects with the stems."""

import asyncio
import functools
import importlib.metadata
import json
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from soundwright.kit import errors, lrc
from soundwright.kit.file_names import safe_title
from soundwright.kit.ports import BlobInfo
from soundwright.library.v1 import job_pb2, track_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.corrections import corrected
from soundwright.services.gateway.file_paths import extension
from soundwright.services.gateway.files.archives import Member, archive_response
from soundwright.services.gateway.files.charts import Sheet, chordpro_text, click_size_bytes, click_track, lab_text
from soundwright.services.gateway.files.daw_projects import Stem, dawproject, metadata, reaper_project
from soundwright.services.gateway.files.files import attachment, made_response, streamed_response
from soundwright.services.gateway.files.rekordbox import rekordbox_collection
from soundwright.services.gateway.files.song_midi import song_midi
from soundwright.services.gateway.openapi.responses import file_responses
from soundwright.services.gateway.records import find_analysis
from soundwright.services.gateway.wire.parameters import TrackId

_ERRORS = (errors.ACCESS_DENIED, errors.TRACK_NOT_FOUND, errors.ANALYSIS_NOT_FOUND, errors.AUDIO_NOT_READY)


def song_file_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/export", tags=["forge export"])

    @router.get("/midi/{track_id}")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses("audio/midi", *_ERRORS, ranges=False)
    async def export_midi(request: Request, track_id: TrackId) -> Response:
        """Download the notes of a track as a Standard MIDI File of format 1.

        It has a track for each stem that was analysed, or one for the mix. Its tempo follows the beats of the recording, so a
        program that plays the recording beside it stays in time. If the analysis has them, it also contains metres, sections as
        markers, and chords as texts. Bars and chords are as the owner has corrected them. `piano_notes` replace the notes of the
        same signal, and bring the sustain pedal (controller 64).
        """
        track, values = await _corrected(gateway, track_id)
        if "piano_notes" not in values:
            _require(values, ("notes",), ("all",))
        headers = {"Content-Disposition": attachment(f"{safe_title(track.title)}.mid")}
        make = functools.partial(asyncio.to_thread, song_midi, track.title, values)
        return await made_response(request, headers, "audio/midi", make)

    @router.get("/chords/{track_id}.lab")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses("text/plain", *_ERRORS, ranges=False)
    async def export_chords(track_id: TrackId) -> Response:
        """Download the chords of a track as a LAB file: start and end in seconds, and the chord in Harte's syntax.

        Chords are as the owner has corrected them.
        """
        track, values = await _analysed(gateway, track_id, ("chords",), ("chords",))
        return _file(lab_text(values["chords"]["segments"]), "text/plain", f"{safe_title(track.title)}_chords.lab")

    @router.get("/chords/{track_id}.cho")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses("text/vnd.chordpro", *_ERRORS, ranges=False)
    async def export_chord_sheet(track_id: TrackId) -> Response:
        """Download a chord sheet (ChordPro) of a track: the chords bar by bar, and its sections as comments.

        Bars and chords are as the owner has corrected them.
        """
        track, values = await _analysed(gateway, track_id, ("chords",), ("tempo", "key", "chords", "bars", "sections"))
        sheet = Sheet(track.title, track.artist, values.get("key") or track.key, values.get("tempo") or track.bpm)
        return _file(chordpro_text(sheet, values), "text/vnd.chordpro", f"{safe_title(track.title)}.cho")

    @router.get("/click/{track_id}.wav")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses("audio/wav", *_ERRORS, ranges=False)
    async def export_click(request: Request, track_id: TrackId) -> Response:
        """Download a click track of a track: a WAV file as long as the song that clicks on its beats.

        Clicks are higher where bars begin, as the owner has corrected them.
        """
        track, values = await _analysed(gateway, track_id, ("beats", "bars"), ("tempo", "bars"))
        if not values["beats"]:
            raise errors.ANALYSIS_NOT_FOUND("The analysis found no beats in this track, so there is no click track.")
        headers = {
            "Content-Disposition": attachment(f"{safe_title(track.title)}_click.wav"),
            "Content-Length": str(click_size_bytes(track.duration_seconds)),
        }
        clicks = click_track(track.duration_seconds, values["beats"], values["bars"]["downbeats"])
        return streamed_response(request, clicks, headers, "audio/wav")

    @router.get("/project/{track_id}")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses(
        "application/zip",
        *_ERRORS,
        errors.NO_STEMS,
        errors.STEMS_LOST,
        errors.FILE_NOT_FOUND,
        errors.VALIDATION_ERROR,
        ranges=False,
    )
    async def export_project(
        request: Request,
        track_id: TrackId,
        format: Annotated[
            Literal["reaper", "dawproject", "rekordbox"],
            Query(
                description="`dawproject` (default): one file, for Bitwig Studio, Cubase, Studio One and others. `reaper` and "
                "`rekordbox`: a ZIP archive to unpack."
            ),
        ] = "dawproject",
    ) -> Response:
        """Download a project for a digital audio workstation, with the stems of the latest separation as tracks.

        If the track has been analysed, the tempo follows the beats of the recording, and the project has its metres, and its
        sections as markers. Bars are as the owner has corrected them.

        `rekordbox` needs no stems, but an analysis with beats: it is the recording, and an XML file for rekordbox and other DJ
        software with its beat grid, and its sections as memory cues.
        """
        if format == "rekordbox":
            return await _rekordbox(request, gateway, track_id)
        track, values = await _corrected(gateway, track_id)
        outputs = (await gateway.clients.tracks.ListStems(pb.ListStemsRequest(track_id=track.id))).stems
        if not outputs:
            raise errors.NO_STEMS()
        infos = [info for output in outputs if (info := await gateway.blobs.stat(output.blob_key)) is not None]
        if len(infos) < len(outputs):
            raise errors.STEMS_LOST()
        members = _members(format, track, outputs, infos, values)
        ending = ".dawproject" if format == "dawproject" else "_reaper.zip"
        return archive_response(request, gateway.blobs, members, f"{safe_title(track.title)}{ending}")

    _add_lyrics(router, gateway)
    return router


async def _members(
    format: str,
    track: track_pb2.Track,
    outputs: Sequence[job_pb2.AudioOutput],
    infos: Sequence[BlobInfo],
    values: dict[str, Any],
) -> AsyncIterator[Member]:
    root, folder = ("", "audio/") if format == "dawproject" else (f"{safe_title(track.title)}/", "")
    stems = [_stem(output, f"{folder}{output.name}.{extension(output.blob_key)}") for output in outputs]
    for name, content in (await asyncio.to_thread(_project, format, track, stems, values)).items():
        yield Member(root + name, content=_chunks(content), size_bytes=len(content))
    for output, stem, info in zip(outputs, stems, infos, strict=True):
        yield Member(root + stem.path, output.blob_key, info.size_bytes, info.modify_time)


async def _rekordbox(request: Request, gateway: Gateway, track_id: str) -> Response:
    track, values = await _analysed(gateway, track_id, ("beats",), ("tempo", "key", "bars", "sections"))
    info = await gateway.blobs.stat(track.blob_key)
    if info is None:
        raise errors.FILE_NOT_FOUND()
    title = safe_title(track.title)
    filename = f"{title}.{extension(track.blob_key)}"

    async def members() -> AsyncIterator[Member]:
        collection = await asyncio.to_thread(rekordbox_collection, _version(), track, filename, values)
        yield Member(f"{title}/rekordbox.xml", content=_chunks(collection), size_bytes=len(collection))
        yield Member(f"{title}/{filename}", track.blob_key, info.size_bytes, info.modify_time)

    return archive_response(request, gateway.blobs, members(), f"{title}_rekordbox.zip")


def _add_lyrics(router: APIRouter, gateway: Gateway) -> None:
    @router.get("/lyrics/{track_id}.lrc")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses("text/plain", *_ERRORS, ranges=False)
    async def export_lyrics(track_id: TrackId) -> Response:
        """Download the lyrics as LRC in its enhanced form, with the times of lines and words.

        They are those of the owner's corrections, or else of the analysis. Lines after the end of the track are left out.
        """
        track, values = await _analysed(gateway, track_id, ("lyrics",), ("all", "lyrics"))
        minutes, seconds = divmod(round(track.duration_seconds), 60)
        facts = {"ti": track.title, "ar": track.artist, "al": track.album, "length": f"{minutes:02d}:{seconds:02d}"}
        lines = lrc.lines_within(values["lyrics"]["lines"], track.duration_seconds)
        return _file(lrc.lrc_text(lines, facts), "text/plain", f"{safe_title(track.title)}.lrc")

    @router.get("/lyrics/{track_id}.txt")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses("text/plain", *_ERRORS, ranges=False)
    async def export_lyrics_text(track_id: TrackId) -> Response:
        """Download the lyrics as plain text: those of the owner's corrections, or else of the analysis."""
        track, values = await _analysed(gateway, track_id, ("lyrics",), ("all", "lyrics"))
        return _file(lrc.plain_text(values["lyrics"]["lines"]), "text/plain", f"{safe_title(track.title)}_lyrics.txt")


async def _analysed(
    gateway: Gateway, track_id: str, needed: Sequence[str], features: Sequence[str]
) -> tuple[track_pb2.Track, dict[str, Any]]:
    """Return a track, and the values of its analyses as the owner has corrected them.

    Args:
        needed: the values without which there is no file.
        features: those to request if one is missing.

    Raises ``ANALYSIS_NOT_FOUND`` if one is missing.
    """
    track, values = await _corrected(gateway, track_id)
    _require(values, needed, features)
    return track, values


def _require(values: dict[str, Any], needed: Sequence[str], features: Sequence[str]) -> None:
    """Return if there are the needed values; see :func:`_analysed`."""
    for name in needed:
        if name not in values:
            raise errors.ANALYSIS_NOT_FOUND(_missing(name, values, features))


async def _corrected(gateway: Gateway, track_id: str) -> tuple[track_pb2.Track, dict[str, Any]]:
    """Return a track, and what its analyses found as the owner has corrected it, or nothing."""
    track = (await gateway.clients.tracks.GetTrack(pb.GetTrackRequest(track_id=track_id, needs_audio=True))).track
    analysis = await find_analysis(gateway.clients, track_id)

    def read() -> dict[str, Any]:
        """Read the values, which may be several megabytes."""
        return corrected(json.loads(analysis.values_json) if analysis else {}, track.corrections)

    return track, await asyncio.to_thread(read)


def _missing(name: str, values: dict[str, Any], features: Sequence[str]) -> str:
    """Return why there is no file, and what to do."""
    for each in values.get("unavailable", ()):
        if each["feature"] == name:
            return f"The analysis of this track has no {name}: {each['message']}"
    own = " Or store your own lyrics in the corrections of the track." if name == "lyrics" else ""
    return (
        f"The analysis of this track has no {name}. Request them with POST /api/analysis/analyze and"
        f' "features": {json.dumps(features)}, and wait until the job is completed.{own}'
    )


def _file(content: str | bytes, media_type: str, filename: str) -> Response:
    return Response(content, media_type=media_type, headers={"Content-Disposition": attachment(filename)})


def _stem(output: job_pb2.AudioOutput, path: str) -> Stem:
    seconds = output.frame_count / output.sample_rate_hz
    return Stem(output.name, path, seconds, output.sample_rate_hz, output.channel_count)


def _project(format: str, track: track_pb2.Track, stems: list[Stem], values: dict[str, Any]) -> dict[str, bytes]:
    if format == "reaper":
        return {f"{safe_title(track.title)}.rpp": reaper_project(stems, values)}
    project = dawproject(_version(), stems, values)
    return {"project.xml": project, "metadata.xml": metadata(track.title, track.artist)}


def _version() -> str:
    return importlib.metadata.version("soundwright")


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content
