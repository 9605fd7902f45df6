"""What the catalogue says about a model."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from soundwright.models.v1 import model_pb2
from soundwright.services.gateway.dialects.forge.serializers import shaped


class ModelFile(TypedDict):
    """A file that a model needs."""

    name: Annotated[str, Field(examples=["955717e8.safetensors"])]
    size_bytes: Annotated[int | None, Field(description="Null: unknown.", examples=[84025440])]
    sha256: Annotated[
        str | None,
        Field(description="Null: not published. Then the digest that was recorded at the download counts.", examples=["d9fa14133cfcc034a6758923bb3a8ca9f8dfd0b582134643bbf83f72c17576dd"]),
    ]  # fmt: skip
    mirrors: Annotated[list[str], Field(description="Addresses of copies, tried in order.", examples=[[]])]


class ModelScore(TypedDict):
    """A published signal-to-distortion ratio. Scores on different test sets do not compare."""

    stem: Annotated[str | None, Field(description="Null: the mean of all stems.", examples=["vocals"])]
    sdr_db: Annotated[float, Field(examples=[8.93])]
    test_set: Annotated[str, Field(examples=["MUSDB18-HQ, test"])]
    source: Annotated[
        str, Field(description="Address of the publication.", examples=["https://arxiv.org/abs/2211.08553"])
    ]


class ModelFacts(TypedDict):
    """The facts about a model. Null: nobody has verified or measured it."""

    architecture: Annotated[
        str, Field(description="The network, or the method.", examples=["Hybrid Transformer Demucs"])
    ]
    code_licence: Annotated[str, Field(description="SPDX identifier.", examples=["MIT"])]
    weights_licence: Annotated[
        str | None,
        Field(
            description="SPDX identifier or `none stated`. Null: the model has no weights.", examples=["none stated"]
        ),
    ]
    licence_note: Annotated[str | None, Field(description="What else the authors say about it.")]
    source: Annotated[str | None, Field(description="Repository on the model hub.", examples=["adefossez/HTDemucs"])]
    size_bytes: Annotated[int | None, Field(description="Size of the download.", examples=[84025461])]
    files: list[ModelFile]
    scores: Annotated[list[ModelScore], Field(description="Published scores.")]
    memory_bytes: Annotated[
        int | None, Field(description="Main memory that the model needs on a CPU.", examples=[1500000000])
    ]
    device_memory_bytes: Annotated[int | None, Field(description="GPU memory that the model needs.")]
    measured_speed: Annotated[
        float | None,
        Field(description="Seconds of audio per second of computing, in the latest jobs on this server since its start.", examples=[1.4]),
    ]  # fmt: skip
    available: Annotated[
        bool, Field(description="Whether jobs can run the model now, without a download.", examples=[True])
    ]
    needs_consent: Annotated[
        bool,
        Field(
            description="Whether no licence of the weights is stated, and nobody has allowed them.", examples=[False]
        ),
    ]
    unavailable_reason: Annotated[str | None, Field(description="Why not, and what to do.")]


def model_facts(model: model_pb2.Model) -> ModelFacts:
    """Return the facts about a model as the API shows them."""
    speed = round(model.measured_speed, 2) if model.HasField("measured_speed") else None
    return shaped(model, ModelFacts, measured_speed=speed)
