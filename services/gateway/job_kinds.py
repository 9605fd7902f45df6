"""The gateway's descriptors of job kinds: the specification of each kind, how callers see its jobs, and how they start again.

Dialects, channels and pages read the descriptors, so that no other module enumerates the kinds.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from soundwright.analysis.v1 import analysis_service_pb2
from soundwright.analysis.v1 import jobs_pb2 as analysis_pb
from soundwright.generation.v1 import generation_service_pb2
from soundwright.generation.v1 import jobs_pb2 as generation_pb
from soundwright.ingest.v1 import ingest_service_pb2
from soundwright.ingest.v1 import jobs_pb2 as ingest_pb
from soundwright.library.v1 import job_pb2, track_pb2
from soundwright.separation.v1 import jobs_pb2 as separation_pb
from soundwright.separation.v1 import separation_service_pb2
from soundwright.services.gateway.file_paths import analysis_path, hex_id, stem_file_path, track_file_path

if TYPE_CHECKING:
    from soundwright.services.gateway.clients import Clients

Spec = TypeVar("Spec", bound=Message)


@dataclass(frozen=True)
class PublicFile:
    """The main result file of a job: its path at the gateway, and its size in bytes. None if unknown."""

    path: str | None = None
    size_bytes: int | None = None


class Started(NamedTuple):
    """A job that a request has started, and whether an earlier request with the same idempotency key had done so."""

    job: job_pb2.Job
    existed: bool


def unpacked(packed: AnyMessage, message_class: type[Spec]) -> Spec:
    """Return the message in ``packed``, or an empty message if it contains none or one of another type."""
    message = message_class()
    packed.Unpack(message)
    return message


@dataclass(frozen=True)
class JobKind(Generic[Spec]):
    """How the gateway presents the jobs of one kind.

    Attributes:
        kind: value of the library's enum, which declares the public name of the kind.
        model: returns the requested model from the specification; empty for kinds without models.
        result_file: returns the main result file. The second argument is the track that the job created, or None.
        again: sends the request that created a job once more, given its specification and the fields that all requests share, its
            track and an idempotency key. The response has the fields of :class:`Started`. None: jobs of the kind cannot start again
            like that.
    """

    kind: job_pb2.JobKind.ValueType
    spec: type[Spec]
    running_status: str = "processing"
    title: Callable[[Spec], str] = lambda _spec: ""
    model: Callable[[Spec], str] = lambda spec: str(getattr(spec, "model", ""))
    result_file: Callable[[job_pb2.Job, track_pb2.Track | None], PublicFile] = lambda _job, _track: PublicFile()
    again: "Callable[[Clients, Spec, dict[str, Any]], Awaitable[Any]] | None" = None

    @property
    def word(self) -> str:
        """The kind as one lower-case word, e.g. "separation"."""
        return job_pb2.JobKind.Name(self.kind).removeprefix("JOB_KIND_").lower()

    @property
    def public_type(self) -> str:
        """The name of the kind in the public API, e.g. "processing"."""
        extensions: Any = job_pb2.JobKind.DESCRIPTOR.values_by_number[self.kind].GetOptions().Extensions
        return str(extensions[job_pb2.public_kind].type)

    def title_of(self, job: job_pb2.Job) -> str:
        return self.title(unpacked(job.spec, self.spec))

    def model_of(self, job: job_pb2.Job) -> str:
        """Return the requested model; empty for kinds without models."""
        return self.model(unpacked(job.spec, self.spec))


# --------------------------------------------------------------------------------------------------------- descriptors


def _download_title(spec: ingest_pb.DownloadSpec) -> str:
    if not spec.HasField("song"):
        return spec.url
    artist = ", ".join(spec.song.artists)
    return f"{spec.song.title}, {artist}" if artist else spec.song.title


def _download_file(_job: job_pb2.Job, track: track_pb2.Track | None) -> PublicFile:
    return PublicFile(track_file_path(track), track.size_bytes) if track is not None else PublicFile()


async def _download_again(clients: "Clients", spec: ingest_pb.DownloadSpec, common: dict[str, Any]) -> Any:
    request = ingest_service_pb2.CreateDownloadsRequest(quality=spec.quality, **common)
    return (await clients.ingest.CreateDownloads(request)).downloads[0]


async def _generation_again(clients: "Clients", spec: generation_pb.GenerationSpec, common: dict[str, Any]) -> Started:
    request = generation_service_pb2.CreateJobsRequest(parameters=spec, idempotency_key=common["idempotency_key"])
    answer = await clients.generation.CreateJobs(request)
    return Started(answer.jobs[0], answer.existed)


def _first_stem(job: job_pb2.Job, _track: track_pb2.Track | None) -> PublicFile:
    stems = job.result.outputs
    return PublicFile(stem_file_path(stems[0]), stems[0].size_bytes) if stems else PublicFile()


def _archive(job: job_pb2.Job, _track: track_pb2.Track | None) -> PublicFile:
    return PublicFile(f"/export/archive/{job.id}", sum(output.size_bytes for output in job.result.outputs))


def _batch_title(spec: separation_pb.BatchSpec) -> str:
    count = len(spec.track_ids)
    return f"{count} track{'s' * (count != 1)}"


JOB_KINDS: Mapping[int, JobKind[Any]] = {
    descriptor.kind: descriptor
    for descriptor in (
        JobKind(
            kind=job_pb2.JOB_KIND_DOWNLOAD,
            spec=ingest_pb.DownloadSpec,
            running_status="downloading",
            title=_download_title,
            result_file=_download_file,
            again=_download_again,
        ),
        JobKind(
            kind=job_pb2.JOB_KIND_SEPARATION,
            spec=separation_pb.SeparationSpec,
            result_file=_first_stem,
            again=lambda clients, spec, common: clients.separation.CreateJob(
                separation_service_pb2.CreateJobRequest(parameters=spec.parameters, **common)
            ),
        ),
        JobKind(
            kind=job_pb2.JOB_KIND_ANALYSIS,
            spec=analysis_pb.AnalysisSpec,
            result_file=lambda job, _track: PublicFile(analysis_path(job.track_id)),
            again=lambda clients, spec, common: clients.analysis.CreateJob(
                analysis_service_pb2.CreateJobRequest(features=spec.features, **common)
            ),
        ),
        JobKind(
            kind=job_pb2.JOB_KIND_GENERATION,
            spec=generation_pb.GenerationSpec,
            title=lambda spec: spec.prompt,
            result_file=lambda job, _track: PublicFile(
                f"/audio/{hex_id(job.id)}.wav", job.result.clip.audio_size_bytes
            ),
            again=_generation_again,
        ),
        JobKind(
            kind=job_pb2.JOB_KIND_PIPELINE,
            spec=separation_pb.PipelineSpec,
            result_file=lambda job, _track: PublicFile(f"/download/{job.id}/all"),
            again=lambda clients, _spec, common: clients.separation.CreatePipelineJob(
                separation_service_pb2.CreatePipelineJobRequest(**common)
            ),
        ),
        JobKind(
            kind=job_pb2.JOB_KIND_EXPORT,
            spec=separation_pb.ExportSpec,
            result_file=_archive,
            again=lambda clients, spec, common: clients.separation.CreateExportJob(
                separation_service_pb2.CreateExportJobRequest(
                    format=spec.format, separation_id=spec.separation_id, **common
                )
            ),
        ),
        JobKind(
            kind=job_pb2.JOB_KIND_BATCH,
            spec=separation_pb.BatchSpec,
            title=_batch_title,
            model=lambda spec: spec.parameters.model,
            result_file=lambda job, _track: PublicFile(f"/api/processing/batch/{job.id}"),
        ),
    )
}
"""The kinds of this release, in the order in which the public API lists them."""

DEFAULT_KIND: JobKind[Any] = JobKind(kind=job_pb2.JOB_KIND_UNSPECIFIED, spec=AnyMessage)
"""The descriptor of kinds that only a newer release knows."""


def job_kind(kind: int) -> JobKind[Any]:
    """Return the descriptor of a kind, or the default for unknown kinds."""
    return JOB_KINDS.get(kind, DEFAULT_KIND)
