"""The published Demucs models.

Sources of the facts:

* Scores: table 1 of the paper (``HT Demucs`` and ``HT Demucs fine-tuned``, both with 800 extra songs), and README.md of
  Demucs for the mean of the fine-tuned one. For ``htdemucs_6s`` no score is published. ``mdx_extra`` was trained on the
  test set of MUSDB, so that a score on it would mean nothing.
* Files: the digests and sizes of the files in the repositories on the hub that several projects have recorded
  independently. For the networks of ``mdx_extra`` there is no such record, so these facts stay None.
* Licence: the code is under MIT. The author's model cards named MIT from July to August 2026, and name no licence since.
* Memory of ``htdemucs``: docs/BENCHMARKS.md, the process of the engine with an hour of audio. The other models, and memory
  on a GPU, are not measured, so these facts stay None.
"""

import functools
from typing import Any

from soundwright.kit.engines import NONE_STATED, ModelDeclaration, ModelFile, Score
from soundwright.services.separation.engines.scale import MUSDB18, estimated
from soundwright.services.separation.service import FALLBACK, STEMS

_PAPER = "https://arxiv.org/abs/2211.08553"
_HYBRID_TRANSFORMER_BYTES = 84_025_440

_declare = functools.partial(
    ModelDeclaration,
    code_licence="MIT",
    weights_licence=NONE_STATED,
    licence_note=(
        "The model card named MIT until 31 August 2026 and names no licence since. The author wrote in 2022 that the weights"
        " are not covered by the MIT licence of the code and are provided for scientific purposes only:"
        " https://github.com/facebookresearch/demucs/issues/327"
    ),
    needs_weights=True,
    fallback=FALLBACK,
)


def _scored(mean: float, **stems: float) -> dict[str, Any]:
    named = {"": mean, **stems}
    scores = [Score(stem=stem, sdr_db=sdr, test_set=MUSDB18, source=_PAPER) for stem, sdr in named.items()]
    return {"scores": tuple(scores), "gains": estimated(scores)}


def _network(name: str, sha256: str | None, size_bytes: int | None = _HYBRID_TRANSFORMER_BYTES) -> ModelFile:
    return ModelFile(name=f"{name}.safetensors", size_bytes=size_bytes, sha256=sha256)


MODELS: tuple[ModelDeclaration, ...] = (
    _declare(
        name="htdemucs",
        description="Hybrid Transformer Demucs, the default",
        architecture="Hybrid Transformer Demucs",
        outputs=STEMS,
        source="adefossez/HTDemucs",
        relative_cost=1.0,
        memory_bytes=1447 << 20,
        **_scored(8.80, drums=10.05, bass=9.78, other=6.42, vocals=8.93),
        files=(
            ModelFile(
                name="htdemucs.yaml",
                size_bytes=21,
                sha256="239c445d0b14454d541ad8bd9bb271c9e536d267e8a4625208744cbb2e7bb66c",
            ),
            _network("955717e8", "d9fa14133cfcc034a6758923bb3a8ca9f8dfd0b582134643bbf83f72c17576dd"),
        ),
    ),
    _declare(
        name="htdemucs_ft",
        description="Four fine-tuned Hybrid Transformer networks: better, and four times as slow",
        architecture="Hybrid Transformer Demucs",
        outputs=STEMS,
        source="adefossez/HTDemucs-ft",
        relative_cost=4.0,
        **_scored(9.00, drums=10.08, bass=10.39, other=6.32, vocals=9.20),
        files=(
            ModelFile(
                name="htdemucs_ft.yaml",
                size_bytes=149,
                sha256="69470b8c1bbd674437b51bc9fb491327a10ab0396b702c93389b9cf750016346",
            ),
            _network("f7e0c4bc", "2c85ab3c62dd6edd8e0b965e38b16fd1cdde357cc25de6b6bc9ce7c83f60925f"),
            _network("d12395a8", "5b01a97567ae9a3178a6236fb520251045c03eb8834bc8c24a4eec11d6c8fb56"),
            _network("92cfc3b6", "a241863551f30d01c42bd7b97da40839922ead3acb0f1fcab25682f55b4eeb59"),
            _network("04573f0d", "68854b0d7c2b3274723b5761f6fd9f5aec5f1bcd3f0de7c1669546fdb7871b7c"),
        ),
    ),
    _declare(
        name="htdemucs_6s",
        description="Hybrid Transformer Demucs with guitar and piano",
        architecture="Hybrid Transformer Demucs",
        outputs=(*STEMS, "guitar", "piano"),
        source="adefossez/HTDemucs-6s",
        relative_cost=1.0,
        files=(
            ModelFile(
                name="htdemucs_6s.yaml",
                size_bytes=21,
                sha256="207405151270af8fd81c2373c25d27950916682ac91dca7884a11ce13dad6f58",
            ),
            _network("5c90dfd2", "d2a1745f0744721f6b8ca5bf469b67c651ea5ed1b52998cab033b2158609d411", 54_885_744),
        ),
    ),
    _declare(
        name="mdx_extra",
        description="Four Hybrid Demucs networks of the MDX challenge",
        architecture="Hybrid Demucs",
        outputs=STEMS,
        source="adefossez/Demucs-mdx_extra",
        relative_cost=4.0,
        files=(
            ModelFile(name="mdx_extra.yaml"),
            _network("e51eebcc", None, None),
            _network("a1d90b5c", None, None),
            _network("5d2d6c55", None, None),
            _network("cfa93e08", None, None),
        ),
    ),
)
