"""The model of the ``transkun`` engine. The licence is that of the package and of the author's repository."""

from soundwright.kit.engines import ModelDeclaration, ModelFile
from soundwright.kit.packaged_weights import PackagedWeights
from soundwright.services.analysis.engines.piano.conversion import read_network

TRANSKUN = ModelDeclaration(
    name="transkun",
    description="Notes, velocities and pedals of a piano",
    architecture="Transformer over time and frequency, and a semi-CRF",
    outputs=("piano_notes",),
    code_licence="Apache-2.0",
    weights_licence="MIT",
    needs_weights=True,
    files=(
        ModelFile(
            name="transkun.safetensors",
            size_bytes=56_366_272,
            sha256="7a6ad778fe69dd47bb1a1f45d5db6d58ce0d417ddf8d5532f35214f5d7ea54ae",
        ),
    ),
    memory_bytes=1_000_000_000,
    device_memory_bytes=0,
)

WEIGHTS = PackagedWeights(
    model=TRANSKUN.name,
    file=TRANSKUN.files[0],
    package="transkun",
    folder="transkun/pretrained",
    sources=(ModelFile(name="2.0.pt", sha256="50a80010effc2a59ffcd068a95cd2b29bd7f23a27a3515bc3ccd209c89a3d44c"),),
    read=read_network,
)
