"""What answers of the forge dialect look like: types for those who write them, schemas for the published document."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, NotRequired, TypeVar

from pydantic import Field, with_config
from typing_extensions import TypedDict

from services.gateway.answers import OPEN, Bytes, Seconds, Time, Uuid

__all__ = [
    "AnalysisValues",
    "Data",
    "ForgeError",
    "Job",
    "JobStatus",
    "JobSummary",
    "JobType",
    "Page",
    "PageMeta",
    "Started",
    "Stem",
    "Track",
]

T = TypeVar("T")
_Text = Annotated[str, Field(examples=["Blinding Lights"])]
_Sentence = Annotated[str | None, Field(description="a sentence for people", examples=[None])]


class PageMeta(TypedDict):
    """Where in a list a page lies."""

    page: Annotated[int, Field(ge=1, examples=[1])]
    page_size: Annotated[int, Field(ge=1, examples=[20])]
    total_count: Annotated[int, Field(ge=0, examples=[143])]
    total_pages: Annotated[int, Field(ge=0, examples=[8])]


class Data(TypedDict, Generic[T]):
    data: T


class Page(TypedDict, Generic[T]):
    data: T
    meta: PageMeta


class ForgeError(TypedDict):
    """Why a request was refused."""

    error: Annotated[str, Field(description="in few words")]
    code: Annotated[str, Field(description="for programs; see the examples")]
    message: Annotated[str, Field(description="what to do about it")]
    details: NotRequired[Annotated[dict[str, list[str]], Field(description="what does not fit, by field")]]
    retry_after: NotRequired[Annotated[float, Field(ge=0, description="seconds")]]


class Track(TypedDict):
    """A recording."""

    id: Uuid
    title: _Text
    artist: Annotated[str | None, Field(examples=["The Weeknd"])]
    album: Annotated[str | None, Field(examples=["After Hours"])]
    album_art_url: Annotated[str | None, Field(examples=["https://i.scdn.co/image/ab67616d0000b273"])]
    spotify_id: Annotated[str | None, Field(examples=["4uLU6hMCjMI75M1A2tKUQC"])]
    spotify_url: Annotated[str | None, Field(examples=["https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC"])]
    duration: Annotated[int, Field(ge=0, description="whole seconds", examples=[200])]
    duration_seconds: Seconds
    bpm: Annotated[float | None, Field(examples=[128.0])]
    key: Annotated[str | None, Field(examples=["A minor"])]
    tags: Annotated[list[str], Field(examples=[["synthwave"]])]
    source: Annotated[str, Field(description="how it came in", examples=["spotify"])]
    status: Annotated[Literal["downloaded", "processed", "analyzed"], Field(description="the last thing that it has")]
    download_status: Literal["completed"]
    stem_count: Annotated[int, Field(ge=0, examples=[0])]
    filename: Annotated[
        str, Field(description="as it was called where it came from", examples=["blinding-lights.flac"])
    ]
    file_path: Annotated[
        str, Field(examples=["/files/downloads/0f8fad5b-d9cb-469f-a165-70867728950e/the-weeknd-blinding-lights.flac"])
    ]
    file_size: Bytes
    content_type: Annotated[str, Field(examples=["audio/flac"])]
    content_sha256: Annotated[str, Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])]
    container: Annotated[str, Field(examples=["flac"])]
    codec: Annotated[str, Field(examples=["flac"])]
    sample_rate_hz: Annotated[int, Field(examples=[44100])]
    channel_count: Annotated[int, Field(examples=[2])]
    frame_count: Annotated[int, Field(examples=[8821764])]
    warnings: Annotated[
        list[str], Field(description="TRUNCATED, LOSSY_SOURCE, LENGTH_DIFFERS and the like", examples=[[]])
    ]
    created_at: Time | None
    updated_at: Time | None


class Stem(TypedDict):
    """A part of a recording."""

    id: Uuid
    stem_type: Annotated[str, Field(examples=["vocals"])]
    file_path: Annotated[str, Field(examples=["/files/stems/0f8fad5b-d9cb-469f-a165-70867728950e/vocals.flac"])]
    file_size: Bytes
    source: Literal["local", "lalalai"]
    track_id: Uuid
    processing_job_id: Uuid
    download_url: Annotated[str, Field(examples=["/export/stem/0f8fad5b-d9cb-469f-a165-70867728950e"])]
    duration_seconds: Seconds
    sample_rate_hz: Annotated[int, Field(examples=[44100])]
    channel_count: Annotated[int, Field(examples=[2])]
    frame_count: Annotated[int, Field(examples=[8821764])]
    content_type: Annotated[str, Field(examples=["audio/flac"])]
    peak: Annotated[float, Field(ge=0, description="1: full scale", examples=[0.82])]
    clipped_sample_count: Annotated[int, Field(ge=0, examples=[0])]


JobStatus = Literal["queued", "downloading", "processing", "completed", "failed"]
JobType = Literal["download", "processing", "analysis", "generation", "pipeline", "export", "unknown"]


class JobSummary(TypedDict):
    """A job, without its result."""

    id: Uuid
    job_type: JobType
    status: Annotated[JobStatus, Field(examples=["completed"])]
    progress: Annotated[int, Field(ge=0, le=100, description="percent; 100: it is done", examples=[100])]
    message: Annotated[str | None, Field(description="what it is doing just now", examples=[None])]
    track_id: Uuid | None
    error: Annotated[str | None, Field(description="why it failed; `cancelled` if it was", examples=[None])]
    error_code: Annotated[str | None, Field(examples=[None])]
    attempt: Annotated[int, Field(ge=0, examples=[1])]
    max_attempts: Annotated[int, Field(ge=0, examples=[3])]
    cancel_requested: bool
    created_at: Time | None
    started_at: Time | None
    completed_at: Time | None


@with_config(OPEN)
class JobResult(TypedDict):
    """What came of a job, with all that its kind has beside this, such as the values of an analysis."""

    engine: Annotated[str, Field(description="what made it", examples=["dsp"])]
    model: Annotated[str | None, Field(examples=["dsp"])]
    degraded: Annotated[bool, Field(description="another model was asked for")]
    degraded_reason: _Sentence
    compute_seconds: Seconds
    stems: NotRequired[Annotated[list[Stem], Field(description="of a separation")]]


class Job(JobSummary):
    """A job with its result, null until it is completed."""

    result: JobResult | None


class Started(TypedDict):
    """A job that was accepted."""

    job_id: Uuid
    track_id: Uuid
    status: JobStatus


_Number = Annotated[float, Field(examples=[0.74])]
_Twelve = Annotated[list[float], Field(description="pitch classes, from C", examples=[[0.9, 0.1, 0.4]])]
_Matrix = Annotated[list[list[float]], Field(description="by band and time", examples=[[[0.5, 0.25]]])]


class KeyCandidate(TypedDict):
    key: Annotated[str, Field(examples=["C major"])]
    confidence: _Number


class TempoCandidate(TypedDict):
    tempo: Annotated[float, Field(examples=[64.0])]
    strength: _Number


class AnalysisMatrices(TypedDict, total=False):
    """Values over time."""

    mfcc: _Matrix
    mfcc_hop_seconds: Seconds
    chroma: _Matrix
    chroma_hop_seconds: Seconds


class AnalysisValues(TypedDict, total=False):
    """What was measured: the values of the features that were asked for."""

    duration_seconds: Seconds
    duration: Seconds
    sample_rate: Annotated[int, Field(examples=[44100])]
    samples: Annotated[int, Field(description="per channel", examples=[8821764])]
    tempo: Annotated[float | None, Field(description="beats per minute", examples=[128.0])]
    tempo_confidence: Annotated[float | None, Field(examples=[0.93])]
    tempo_alternatives: list[TempoCandidate]
    beats: Annotated[list[float], Field(description="seconds", examples=[[0.46, 0.93, 1.4]])]
    beat_count: Annotated[int, Field(examples=[427])]
    key: Annotated[str | None, Field(examples=["A minor"])]
    confidence: Annotated[float, Field(description="of the key", examples=[0.81])]
    key_confidence: Annotated[float, Field(examples=[0.81])]
    pitch_class: Annotated[str | int | None, Field(examples=["A"])]
    mode: Annotated[str | None, Field(examples=["minor"])]
    camelot: Annotated[str | None, Field(examples=["8A"])]
    key_runner_up: KeyCandidate | None
    tuning_cents: Annotated[float | None, Field(examples=[-3.0])]
    energy: Annotated[float, Field(description="mean RMS", examples=[0.74])]
    energy_variance: _Number
    energy_max: _Number
    energy_min: _Number
    zero_crossing_rate: Annotated[float, Field(examples=[0.12])]
    loudness_lufs: Annotated[
        float | None, Field(description="integrated, ITU-R BS.1770; null: silence", examples=[-9.8])
    ]
    true_peak_dbtp: Annotated[float | None, Field(examples=[-0.4])]
    spectral_centroid: Annotated[float, Field(description="Hz", examples=[1823.4])]
    spectral_centroid_variance: Annotated[float, Field(examples=[420113.2])]
    spectral_rolloff: Annotated[float, Field(description="Hz", examples=[4200.1])]
    spectral_bandwidth: Annotated[float, Field(description="Hz", examples=[2101.7])]
    spectral_contrast: Annotated[list[float], Field(examples=[[18.2, 14.9]])]
    spectral_flatness: Annotated[float, Field(examples=[0.02])]
    mfcc: Annotated[list[float], Field(description="means", examples=[[-112.3, 98.1]])]
    mfcc_variance: Annotated[list[float], Field(examples=[[4120.5, 902.2]])]
    n_mfcc: Annotated[int, Field(examples=[13])]
    chroma: _Twelve
    chroma_stft: _Twelve
    chroma_cens: _Twelve
    features: AnalysisMatrices
