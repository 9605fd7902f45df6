"""What a model understood of a request for a clip, in all dialects."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from soundwright.library.v1 import generation_pb2, job_pb2


class Interpretation(TypedDict):
    """What the model understood of the request, and what it chose itself. Null if the model does not say."""

    style: Annotated[str | None, Field(description="Null for sound effects.", examples=["bossa"])]
    tempo_bpm: Annotated[float | None, Field(examples=[128.0])]
    key: Annotated[str | None, Field(examples=["D major"])]
    bars: Annotated[float | None, Field(description="The length of the clip in bars.", examples=[8.0])]
    instruments: Annotated[list[str], Field(examples=[["nylon guitar", "flute", "upright bass", "drums"]])]
    sounds: Annotated[list[str], Field(description="Sound effects and backgrounds.", examples=[["rain"]])]
    chosen: Annotated[
        list[str],
        Field(
            description="Fields above that the prompt leaves open, so that the seed chose them.",
            examples=[["tempo_bpm", "key"]],
        ),
    ]
    ignored_words: Annotated[
        list[str], Field(description="Words of the prompt that have no effect.", examples=[["granular"]])
    ]
    ignored_parameters: Annotated[
        list[str],
        Field(
            description="Parameters of the request that the model could not follow. `duration`: a loop has whole bars of the "
            "requested tempo. `continue_from`: the clip was joined, but not listened to; tempo and key are those "
            "that it states.",
            examples=[[]],
        ),
    ]


def interpretation_to_wire(clip: generation_pb2.Generation | job_pb2.GeneratedClip) -> Interpretation | None:
    if not clip.HasField("interpretation"):
        return None
    said = clip.interpretation
    return {
        "style": said.style or None,
        "tempo_bpm": said.tempo_bpm or None,
        "key": said.key or None,
        "bars": said.bars or None,
        "instruments": list(said.instruments),
        "sounds": list(said.sounds),
        "chosen": list(said.chosen),
        "ignored_words": list(said.ignored_words),
        "ignored_parameters": list(said.ignored_parameters),
    }
