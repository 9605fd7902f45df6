"""Separation: start a separation, poll its job, list models."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, field_validator
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.library.v1 import job_pb2
from soundwright.models.v1 import model_service_pb2
from soundwright.separation.v1 import jobs_pb2
from soundwright.separation.v1 import separation_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.model_facts import ModelFacts, model_facts
from soundwright.services.gateway.dialects.forge.serializers import data, shaped, started, stem_to_wire
from soundwright.services.gateway.dialects.forge.shapes import Data, Started, Stem
from soundwright.services.gateway.job_kinds import unpacked
from soundwright.services.gateway.job_views import JobStatus, error_text, progress, progress_message, status
from soundwright.services.gateway.openapi.responses import Percent, Seconds, Uuid, documented
from soundwright.services.gateway.records import own_job, own_track
from soundwright.services.gateway.wire.parameters import IdempotencyKey, JobId, body_of, body_schema

SEPARATION_ERRORS = (
    errors.VALIDATION_ERROR,
    errors.MODEL_UNAVAILABLE,
    errors.WEIGHTS_CHANGED,
    errors.LALALAI_NOT_CONFIGURED,
    errors.REGISTRATION_NEEDED,
    errors.TOO_MANY_PENDING,
    errors.QUEUE_FULL,
)


class ChainStep(TypedDict):
    """A further separation, of a stem."""

    stem: Annotated[str, Field(max_length=100, description="A stem of the separations before.", examples=["vocals"])]
    model: Annotated[str, Field(max_length=100, description="The model that separates it.", examples=["dsp"])]


class SeparationParameters(BaseModel):
    """The parameters of a separation: the model, the format of the stems and more."""

    model: str = Field(
        "",
        max_length=100,
        description="A model of `GET /api/processing/models`, or `auto`: the server chooses by quality, length of the track, "
        "weights and hardware. Empty: the default model.",
        examples=["htdemucs"],
    )
    engine: str = Field(
        "",
        max_length=100,
        description="`local` runs the model on this server. `lalalai` uses lalal.ai, whose models are `newest`, "
        "`andromeda`, `perseus`, `orion`, `phoenix` and `lyra`.",
    )
    format: str = Field(
        "", max_length=20, description="Format of the stems: `flac` (default), `wav16`, `wav24` or `wav32f`."
    )
    quality: str = Field(
        "", max_length=20, description="For the model `auto`: `fast`, `balanced` (default) or `best`.", examples=[""]
    )
    stems: list[Annotated[str, Field(max_length=100)]] = Field(
        default=[],
        max_length=32,
        description="Stems of the model. Empty: all. If they are not all, the job also returns `accompaniment`, the recording "
        "without them. Models with one network for each stem are quicker for few stems.",
        examples=[["vocals"]],
    )

    models: list[Annotated[str, Field(max_length=100)]] = Field(
        default=[],
        max_length=32,
        description="Instead of `model`: two to four models whose estimates of each stem are combined. The stems are those that "
        "all models have; `other` counts only if all models have the same stems. If a model has more stems, the job also "
        "returns `accompaniment`.",
        examples=[[]],
    )
    weights: list[float] = Field(
        default=[],
        max_length=32,
        description="One positive number for each of `models`, for their mean. Empty: all weigh the same.",
        examples=[[]],
    )
    combine: str = Field(
        "",
        max_length=20,
        description="How the estimates of `models` become one: `average` (default), or `max_magnitude`, the strongest one in "
        "each bin of the spectrum.",
        examples=[""],
    )
    chain: list[ChainStep] = Field(
        default=[],
        max_length=32,
        description="At most two further separations, each of a stem. Its stems are returned in the place of that stem, as "
        "`<stem>_<stem of the model>`, for example `vocals_lead`.",
        examples=[[]],
    )

    @field_validator("stems", "models", "weights", "chain", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        """Accept a comma-separated string, which forms send, and null for an empty list."""
        if isinstance(value, str):
            return [name.strip() for name in value.split(",") if name.strip()]
        return [] if value is None else value


class SeparateParameters(SeparationParameters):
    """The track to separate, the model and the format of the stems."""

    track_id: str = Field(
        min_length=1, description="The track's ID.", examples=["0f8fad5b-d9cb-469f-a165-70867728950e"]
    )


class SeparationStarted(Started):
    """A separation that was accepted."""

    model: Annotated[str, Field(description="With several models, a text that names them.", examples=["htdemucs"])]


class ModelRun(TypedDict):
    """A model that ran."""

    model: Annotated[str, Field(examples=["htdemucs"])]
    engine: Annotated[str, Field(examples=["demucs"])]
    stem: Annotated[str | None, Field(description="The stem that it separated. Null: the recording.")]
    compute_seconds: Seconds


class Separation(TypedDict):
    """A separation and its stems."""

    id: Uuid
    track_id: Uuid
    status: Annotated[JobStatus, Field(examples=["completed"])]
    progress: Annotated[Percent, Field(examples=[100])]
    message: Annotated[str | None, Field(description="The current step.")]
    model: Annotated[
        str,
        Field(
            description="The model that is used. With several models, a text that names them.", examples=["htdemucs"]
        ),
    ]
    engine: Annotated[str | None, Field(examples=["demucs"])]
    requested_model: Annotated[str, Field(examples=["htdemucs"])]
    model_reason: Annotated[
        str | None, Field(description="Why `auto` chose the requested model. Null: the request named it.")
    ]
    requested_stems: Annotated[
        list[str],
        Field(
            description="The stems that are separated beside `accompaniment`. Empty: all of the model.", examples=[[]]
        ),
    ]
    models: Annotated[
        list[str], Field(description="The models whose estimates are combined. Empty: one model.", examples=[[]])
    ]
    weights: Annotated[list[float], Field(description="Weights of `models`. Empty: all the same.", examples=[[]])]
    combine: Annotated[str | None, Field(description="How the estimates of `models` are combined.")]
    chain: Annotated[list[ChainStep], Field(description="Further separations, of stems.", examples=[[]])]
    runs: Annotated[list[ModelRun], Field(description="The models that ran, in their order. Empty until completed.")]
    degraded: Annotated[bool, Field(description="Whether another model than the requested one was used.")]
    degraded_reason: Annotated[str | None, Field(description="Why, in one sentence.")]
    degraded_details: Annotated[str | None, Field(description="Why, and what to do.")]
    compute_seconds: Seconds | None
    stems: Annotated[list[Stem], Field(description="The stems. Empty until completed.")]
    lalalai_task_ids: Annotated[list[str], Field(description="IDs of the tasks at lalal.ai.", examples=[[]])]
    error: Annotated[str | None, Field(description="Why the job failed.")]


class SeparationModel(ModelFacts):
    """A model for separations."""

    name: Annotated[str, Field(examples=["htdemucs"])]
    description: Annotated[str, Field(examples=["Hybrid Transformer Demucs, four stems"])]
    stems: Annotated[int, Field(description="The number of stems.", examples=[4])]
    stem_types: Annotated[list[str], Field(examples=[["drums", "bass", "other", "vocals"]])]
    engine: Annotated[str, Field(examples=["demucs"])]
    needs_weights: bool


class SeparationModels(TypedDict):
    models: list[SeparationModel]


def processing_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/processing", tags=["forge processing"])
    clients = gateway.clients

    @router.post("/separate", openapi_extra=body_schema(SeparateParameters))
    @access(Access.ACCOUNT, RateClass.HEAVY)
    @documented(
        Data[SeparationStarted],
        errors.TRACK_NOT_FOUND,
        errors.AUDIO_NOT_READY,
        *SEPARATION_ERRORS,
        status=201,
        idempotent=True,
    )
    async def separate(
        parameters: Annotated[SeparateParameters, Depends(body_of(SeparateParameters))], idempotency_key: IdempotencyKey
    ) -> Response:
        """Start a separation of a track into stems."""
        track = await own_track(clients, parameters.track_id, needs_audio=True)
        asked = pb.CreateJobRequest(
            track_id=track.id, parameters=separation_parameters(parameters), idempotency_key=idempotency_key
        )
        answer = await clients.separation.CreateJob(asked)
        return started(answer, model=_requested_model(answer.job))

    @router.get("/job/{job_id}")
    @access(Access.ACCOUNT, RateClass.POLLING)
    @documented(Data[Separation], errors.ACCESS_DENIED, errors.JOB_NOT_FOUND)
    async def get_separation(job_id: JobId) -> Response:
        """Get the status of a separation, and its stems once it is completed."""
        return data(separation_to_wire(await own_job(clients, job_id, job_pb2.JOB_KIND_SEPARATION)))

    @router.get("/models")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[SeparationModels])
    async def list_models() -> Response:
        """List the models for separations: what they separate, their licences, published scores, files and measured speed."""
        answer = await clients.separation_models.ListModels(model_service_pb2.ListModelsRequest())
        models: list[SeparationModel] = [
            {
                "name": model.name,
                "description": model.description,
                "stems": len(model.outputs),
                "stem_types": list(model.outputs),
                "engine": model.engine,
                "needs_weights": bool(model.weights_licence),
                **model_facts(model),
            }
            for model in answer.models
            if model.listed
        ]
        return data({"models": models})

    return router


def separation_parameters(parameters: SeparationParameters) -> jobs_pb2.SeparationParameters:
    """Return the message of the parameters. Its fields have the same names."""
    return jobs_pb2.SeparationParameters(**parameters.model_dump(include=set(SeparationParameters.model_fields)))


def separation_to_wire(job: job_pb2.Job) -> Separation:
    result = job.result if job.HasField("result") else None
    requested, spec = _requested_model(job), _spec(job)
    parameters = spec.parameters
    return {
        "id": job.id,
        "track_id": job.track_id,
        "status": status(job),
        "progress": progress(job),
        "message": progress_message(job),
        "model": result.model if result else requested,
        "engine": result.engine if result else parameters.engine or None,
        "requested_model": requested,
        "model_reason": spec.model_reason or None,
        "requested_stems": list(parameters.stems),
        "models": list(parameters.models),
        "weights": list(parameters.weights),
        "combine": parameters.combine or None,
        "chain": [shaped(step, ChainStep) for step in parameters.chain],
        "runs": _runs(result) if result else [],
        "degraded": result.degraded if result else False,
        "degraded_reason": (result.degraded_reason or None) if result else None,
        "degraded_details": (result.degraded_details or None) if result else None,
        "compute_seconds": result.compute_seconds if result else None,
        "stems": [stem_to_wire(stem) for stem in result.outputs] if result else [],
        "lalalai_task_ids": list(job.external_task.task_ids),
        "error": error_text(job),
    }


def _runs(result: job_pb2.JobResult) -> list[ModelRun]:
    return [shaped(run, ModelRun) for run in unpacked(result.details, jobs_pb2.SeparationDetails).runs]


def _requested_model(job: job_pb2.Job) -> str:
    return job.result.requested_model or _spec(job).model or job.result.model


def _spec(job: job_pb2.Job) -> jobs_pb2.SeparationSpec:
    return unpacked(job.spec, jobs_pb2.SeparationSpec)
