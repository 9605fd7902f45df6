"""Response types of the forge dialect. They type the code and become the schemas of the OpenAPI document."""

from typing import Annotated, Generic, Literal, NotRequired, TypeVar

from pydantic import Field, with_config
from typing_extensions import TypedDict

from soundwright.services.gateway.interpretation import Interpretation
from soundwright.services.gateway.job_kinds import JOB_KINDS
from soundwright.services.gateway.job_views import DownloadStatus, JobStatus
from soundwright.services.gateway.openapi.responses import EXTRA_FIELDS, Bytes, Seconds, Time, Uuid

T = TypeVar("T")
_Text = Annotated[str, Field(examples=["Blinding Lights"])]
_Sentence = Annotated[str | None, Field(description="The reason as a sentence.")]


class PageMeta(TypedDict):
    """The position of a page in a list."""

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
    """An error."""

    error: Annotated[str, Field(description="The error in a few words.")]
    code: Annotated[str, Field(description="The error code, for programs.")]
    message: Annotated[str, Field(description="What is wrong, and what to do about it.")]
    details: NotRequired[Annotated[dict[str, list[str]], Field(description="Validation errors by field.")]]
    track_ids: NotRequired[Annotated[list[str], Field(description="The tracks that a batch cannot have.")]]
    retry_after: NotRequired[Annotated[float, Field(ge=0, description="Seconds to wait before a retry.")]]


TrackStatus = Literal["pending", "downloaded", "processed", "analyzed"]


class ChordCorrection(TypedDict):
    start_seconds: Seconds
    end_seconds: Seconds
    label: Annotated[
        str, Field(max_length=20, description="As musicians write it. `N.C.`: no chord.", examples=["F#m7"])
    ]


class Corrections(TypedDict):
    """What the owner has corrected in the analysis. Exports of chords, clicks, notes and lyrics follow it."""

    bar_one_seconds: Annotated[
        float | None,
        Field(
            allow_inf_nan=False,
            description="Bar 1 begins at the nearest beat, and the other bars move with it. Null: where it is detected.",
            examples=[1.07],
        ),
    ]
    chords: Annotated[list[ChordCorrection], Field(max_length=500, description="A later one wins over an earlier one.")]
    lyrics: NotRequired[
        Annotated[
            str | None,
            Field(
                max_length=30_000,
                description="The lyrics of the owner as LRC, with or without the times of words, or as plain text. They replace "
                "those of the analysis, and need none. Null: as they are detected.",
                examples=["[00:12.30]<00:12.30>Hello <00:12.80>world<00:13.40>"],
            ),
        ]
    ]


class Track(TypedDict):
    """A track. During its download and after a failed one, it has no audio, and its file fields are null."""

    id: Uuid
    title: _Text
    artist: Annotated[str | None, Field(examples=["The Weeknd"])]
    album: Annotated[str | None, Field(examples=["After Hours"])]
    album_art_url: Annotated[str | None, Field(examples=["https://i.scdn.co/image/ab67616d0000b273"])]
    cover_path: Annotated[
        str | None,
        Field(
            description="The path of the cover: the one that you set, or that of the tags or the page of the link. It changes with the cover.",
            examples=["/api/tracks/0f8fad5b-d9cb-469f-a165-70867728950e/cover?version=9a3c01de"],
        ),
    ]
    spotify_id: Annotated[str | None, Field(examples=["4uLU6hMCjMI75M1A2tKUQC"])]
    spotify_url: Annotated[str | None, Field(examples=["https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC"])]
    duration: Annotated[int, Field(ge=0, description="Length in whole seconds.", examples=[200])]
    duration_seconds: Seconds
    bpm: Annotated[float | None, Field(examples=[128.0])]
    key: Annotated[str | None, Field(examples=["A minor"])]
    tags: Annotated[list[str], Field(examples=[["synthwave"]])]
    corrections: Corrections | None
    source: Annotated[str, Field(description="The origin of the track.", examples=["spotify"])]
    status: Annotated[
        TrackStatus, Field(description="The latest result. `pending`: no audio yet.", examples=["downloaded"])
    ]
    download_status: Annotated[
        DownloadStatus,
        Field(description="Status of the latest download. `completed` for uploads.", examples=["completed"]),
    ]
    download_job_id: Annotated[Uuid | None, Field(description="The latest download job. Null for uploads.")]
    download_error: Annotated[
        str | None, Field(description="Why the download failed. `cancelled` if it was cancelled.")
    ]
    download_error_code: str | None
    stem_count: Annotated[int, Field(ge=0, examples=[0])]
    filename: Annotated[str | None, Field(description="The original file name.", examples=["blinding-lights.flac"])]
    file_path: Annotated[
        str | None,
        Field(examples=["/files/downloads/0f8fad5b-d9cb-469f-a165-70867728950e/the-weeknd-blinding-lights.flac"]),
    ]
    file_size: Bytes | None
    content_type: Annotated[str | None, Field(examples=["audio/flac"])]
    content_sha256: Annotated[
        str | None, Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    ]
    container: Annotated[str | None, Field(examples=["flac"])]
    codec: Annotated[str | None, Field(examples=["flac"])]
    sample_rate_hz: Annotated[int | None, Field(examples=[44100])]
    channel_count: Annotated[int | None, Field(examples=[2])]
    frame_count: Annotated[int | None, Field(examples=[8821764])]
    warnings: Annotated[
        list[str],
        Field(
            description="Warnings such as `TRUNCATED`, `LOSSY_SOURCE`, `LEVEL_LOWERED` and `LENGTH_DIFFERS`.",
            examples=[[]],
        ),
    ]
    created_at: Time | None
    updated_at: Time | None


class Stem(TypedDict):
    """A stem of a track."""

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
    segment_frame_count: Annotated[
        int, Field(description="Frames of each segment, except the last: 5 seconds.", examples=[220500])
    ]
    segment_count: Annotated[int, Field(examples=[41])]
    content_type: Annotated[str, Field(examples=["audio/flac"])]
    peak: Annotated[
        float,
        Field(
            ge=0,
            description="Peak sample value. 1 is full scale. Stems do not clip: above full scale, a stem is WAV with 32-bit "
            "floats, whatever the format of the job.",
            examples=[0.82],
        ),
    ]


_JOB_TYPES = [*(kind.public_type for kind in JOB_KINDS.values()), "unknown"]
JobType = Annotated[str, Field(json_schema_extra={"enum": _JOB_TYPES})]


class BatchCounts(TypedDict):
    """How many jobs of a batch have ended, and how."""

    total: Annotated[int, Field(ge=1, examples=[3])]
    completed: Annotated[int, Field(ge=0, examples=[2])]
    failed: Annotated[int, Field(ge=0, examples=[1])]
    cancelled: Annotated[int, Field(ge=0, examples=[0])]


class JobSummary(TypedDict):
    """A job, without its result."""

    id: Uuid
    job_type: JobType
    title: Annotated[
        str | None, Field(description="The title of the track, or what was asked for.", examples=["Blinding Lights"])
    ]
    model: Annotated[
        str | None,
        Field(description="The model that ran; the requested one until the job is completed.", examples=["htdemucs"]),
    ]
    requested_model: Annotated[str | None, Field(description="The requested model.", examples=["htdemucs"])]
    degraded_reason: Annotated[
        str | None, Field(description="Why another model ran than the requested one, in one sentence.")
    ]
    status: Annotated[JobStatus, Field(examples=["completed"])]
    progress: Annotated[int, Field(ge=0, le=100, description="Progress in percent.", examples=[100])]
    message: Annotated[
        str | None, Field(description="The current step; of a completed separation, which stems exceed full scale.")
    ]
    queue_position: Annotated[
        int | None, Field(description="Position of a queued job among those of its kind, from 1. Null once it runs.")
    ]
    estimated_seconds_left: Annotated[
        float | None,
        Field(
            ge=0,
            description="Estimated time until the job ends, from jobs of the same type, model and about the same length "
            "that have finished lately. Null if there are none, and once the job has ended.",
        ),
    ]
    track_id: Uuid | None
    error: Annotated[str | None, Field(description="Why the job failed. `cancelled` if it was cancelled.")]
    error_code: str | None
    attempt: Annotated[int, Field(ge=0, examples=[1])]
    max_attempts: Annotated[int, Field(ge=0, examples=[3])]
    cancel_requested: bool
    created_at: Time | None
    started_at: Time | None
    completed_at: Time | None
    batch_id: NotRequired[Annotated[Uuid, Field(description="The batch that the job belongs to.")]]
    batch: NotRequired[Annotated[BatchCounts, Field(description="Of a batch only.")]]


@with_config(EXTRA_FIELDS)
class JobResult(TypedDict):
    """The result of a job. Further fields depend on the job type, such as the values of an analysis."""

    engine: Annotated[str, Field(description="The engine that ran the job.", examples=["spleeter"])]
    model: Annotated[str | None, Field(examples=["spleeter-with-small"])]
    degraded: Annotated[bool, Field(description="Whether another model than the requested one was used.")]
    degraded_reason: _Sentence
    degraded_details: _Sentence
    compute_seconds: Seconds
    stems: NotRequired[Annotated[list[Stem], Field(description="The stems of a separation.")]]
    interpretation: NotRequired[Interpretation | None]


class Job(JobSummary):
    """A job with its result. The result is null until the job is completed, and always for a batch."""

    result: JobResult | None


class Started(TypedDict):
    """An accepted job."""

    job_id: Uuid
    track_id: Uuid
    status: JobStatus


_Number = Annotated[float, Field(examples=[0.74])]
_Twelve = Annotated[
    list[float], Field(description="Values of the 12 pitch classes, starting at C.", examples=[[0.9, 0.1, 0.4]])
]
_Matrix = Annotated[list[list[float]], Field(description="Values by band and time.", examples=[[[0.5, 0.25]]])]


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
    energy: Annotated[list[float], Field(description="RMS over time, at most 2000 values.", examples=[[0.12, 0.31]])]
    energy_hop_seconds: Seconds


_Confidence = Annotated[float, Field(ge=0, le=1, description="0 to 1", examples=[0.81])]
_Source = Annotated[
    str, Field(description="What was read: `mix`, or stems of the track.", examples=["stems bass, other, vocals"])
]
_Model = Annotated[str, Field(examples=["chord-net"])]


class ChordSegment(TypedDict):
    start_seconds: Seconds
    end_seconds: Seconds
    chord: Annotated[str, Field(description="In Harte's syntax. `N`: no chord.", examples=["A:min7"])]
    label: Annotated[str, Field(description="As musicians write it. `N.C.`: no chord.", examples=["Am7"])]
    confidence: _Confidence


class Chords(TypedDict):
    """The chords, one after another, without gaps."""

    segments: list[ChordSegment]
    source: _Source
    model: _Model


class Bars(TypedDict):
    """The metre, and where bars begin."""

    beats_per_bar: Annotated[int, Field(description="0 if there are no beats. 6 means 6/8.", examples=[4])]
    downbeats: Annotated[list[float], Field(description="First beats of bars, in seconds.", examples=[[0.46, 2.34]])]
    confidence: _Confidence
    source: _Source


class SectionSegment(TypedDict):
    start_seconds: Seconds
    end_seconds: Seconds
    label: Annotated[str, Field(description="Sections with the same letter sound alike.", examples=["A"])]
    confidence: _Confidence


class Sections(TypedDict):
    """The sections of a song, one after another, without gaps."""

    segments: list[SectionSegment]
    source: _Source


class NotePart(TypedDict):
    name: Annotated[str, Field(description="The stem, or `mix`.", examples=["bass"])]
    notes: Annotated[
        list[list[float]],
        Field(
            description="Start and duration in seconds, MIDI pitch, and velocity 1 to 127.",
            examples=[[[0.5, 0.25, 40, 96]]],
        ),
    ]
    pedals: NotRequired[
        Annotated[
            list[list[float]],
            Field(
                description="When the sustain pedal is down: start and duration in seconds. Only of `piano_notes`.",
                examples=[[[0.48, 1.9]]],
            ),
        ]
    ]


class Notes(TypedDict):
    """The notes, by stem."""

    parts: list[NotePart]
    source: _Source
    model: _Model


class Melody(TypedDict):
    """The pitch of the lead over time."""

    hop_seconds: Annotated[
        float, Field(description="Time from a value to the next. The first is at 0.", examples=[0.016])
    ]
    frequency_hz: Annotated[
        list[float], Field(description="0 where there is no pitch.", examples=[[0.0, 220.1, 220.4]])
    ]
    confidence: Annotated[
        list[float], Field(description="0 to 1; there is a pitch from 0.2 on.", examples=[[0.03, 0.94, 0.97]])
    ]
    source: _Source
    model: _Model


class VocalSegment(TypedDict):
    start_seconds: Seconds
    end_seconds: Seconds
    confidence: _Confidence


class VocalActivity(TypedDict):
    """When somebody sings. Needs the vocal stem of a separation."""

    segments: list[VocalSegment]
    source: _Source


class LyricWord(TypedDict):
    start_seconds: Seconds
    end_seconds: Seconds
    text: Annotated[
        str, Field(description="With the spaces around it. Joined, the words are the line.", examples=["world"])
    ]
    confidence: _Confidence


class LyricLine(TypedDict):
    start_seconds: Seconds
    end_seconds: Seconds
    text: Annotated[str, Field(examples=["Hello world"])]
    words: list[LyricWord]
    confidence: _Confidence


class Lyrics(TypedDict):
    """The words that are sung, read by a model for speech. Some are wrong."""

    language: Annotated[str, Field(description="ISO 639 code. Empty: nobody sings.", examples=["en"])]
    language_confidence: _Confidence
    lines: list[LyricLine]
    source: _Source
    model: _Model


class UnavailableFeature(TypedDict):
    """A requested feature that this server cannot measure."""

    feature: Annotated[str, Field(examples=["chords"])]
    code: Annotated[str, Field(examples=["MODEL_UNAVAILABLE"])]
    message: Annotated[str, Field(examples=["The weights of the model 'chord-net' are missing."])]


class AnalysisValues(TypedDict, total=False):
    """The measured values of the requested features."""

    duration_seconds: Seconds
    duration: Seconds
    sample_rate: Annotated[int, Field(examples=[44100])]
    samples: Annotated[int, Field(description="Number of samples per channel.", examples=[8821764])]
    tempo: Annotated[float | None, Field(description="Beats per minute.", examples=[128.0])]
    tempo_confidence: Annotated[float | None, Field(examples=[0.93])]
    tempo_alternatives: list[TempoCandidate]
    beats: Annotated[list[float], Field(description="Times of the beats in seconds.", examples=[[0.46, 0.93, 1.4]])]
    beat_count: Annotated[int, Field(examples=[427])]
    key: Annotated[str | None, Field(examples=["A minor"])]
    confidence: Annotated[float, Field(description="Confidence of the key, 0 to 1.", examples=[0.81])]
    key_confidence: Annotated[float, Field(examples=[0.81])]
    pitch_class: Annotated[str | int | None, Field(examples=["A"])]
    mode: Annotated[str | None, Field(examples=["minor"])]
    camelot: Annotated[str | None, Field(examples=["8A"])]
    key_runner_up: KeyCandidate | None
    tuning_cents: Annotated[float | None, Field(examples=[-3.0])]
    energy: Annotated[float, Field(description="Mean RMS.", examples=[0.74])]
    energy_variance: _Number
    energy_max: _Number
    energy_min: _Number
    zero_crossing_rate: Annotated[float, Field(examples=[0.12])]
    loudness_lufs: Annotated[
        float | None, Field(description="Integrated loudness (ITU-R BS.1770). Null for silence.", examples=[-9.8])
    ]
    true_peak_dbtp: Annotated[float | None, Field(examples=[-0.4])]
    spectral_centroid: Annotated[float, Field(description="Hz", examples=[1823.4])]
    spectral_centroid_variance: Annotated[float, Field(examples=[420113.2])]
    spectral_rolloff: Annotated[float, Field(description="Hz", examples=[4200.1])]
    spectral_bandwidth: Annotated[float, Field(description="Hz", examples=[2101.7])]
    spectral_contrast: Annotated[list[float], Field(examples=[[18.2, 14.9]])]
    spectral_flatness: Annotated[float, Field(examples=[0.02])]
    mfcc: Annotated[list[float], Field(description="Mean of each coefficient.", examples=[[-112.3, 98.1]])]
    mfcc_variance: Annotated[list[float], Field(examples=[[4120.5, 902.2]])]
    n_mfcc: Annotated[int, Field(examples=[13])]
    chroma: _Twelve
    chroma_stft: _Twelve
    chroma_cens: _Twelve
    features: AnalysisMatrices
    chords: Chords
    bars: Bars
    sections: Sections
    notes: Notes
    piano_notes: Notes
    melody: Melody
    vocal_activity: VocalActivity
    lyrics: Lyrics
    unavailable: list[UnavailableFeature]
