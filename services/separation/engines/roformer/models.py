"""The published RoFormer models, and their configurations.

Sources of the facts:

* Scores: docs/pretrained_models.md of Music-Source-Separation-Training (MSST), the training code of the three models.
* Configurations: those that the authors of the checkpoints publish. The numbers of parameters agree with the sizes of the
  files (docs/decisions/0015).
* Digests and sizes: several projects have recorded them independently.
* Licences: the model card on the hub, for the one model that has a card. Neither MSST nor the release of the others
  states a licence of the weights.
* Costs: the CPU time per second of audio of one segment, measured beside a segment of ``htdemucs`` on one core;
  for ``bs-roformer-vocals`` from its number of operations, 2.8 times that of ``mel-band-roformer-vocals``.
* Memory: the peak of a process that loads the model and separates one segment on a CPU. What is not measured stays None.
"""

import functools
from collections.abc import Mapping
from typing import Any

from soundwright.kit.engines import NONE_STATED, ModelDeclaration, ModelFile, Score
from soundwright.services.separation.engines.roformer.config import DEFAULT_BANDS, RoformerConfig
from soundwright.services.separation.engines.scale import MULTISONG, MUSDB18, estimated
from soundwright.services.separation.service import FALLBACK, STEMS

_MSST = "https://github.com/ZFTurbo/Music-Source-Separation-Training"
_SCORES = f"{_MSST}/blob/main/docs/pretrained_models.md"


def _scored(test_set: str, **stems: float) -> dict[str, Any]:
    named = {"" if stem == "mean" else stem: sdr for stem, sdr in stems.items()}
    scores = [Score(stem=stem, sdr_db=sdr, test_set=test_set, source=_SCORES) for stem, sdr in named.items()]
    return {"scores": tuple(scores), "gains": estimated(scores)}


_declare = functools.partial(ModelDeclaration, code_licence="Apache-2.0", needs_weights=True, fallback=FALLBACK)

MODELS = (
    _declare(
        name="bs-roformer",
        description="BS-RoFormer for four stems, trained on MUSDB18-HQ by ZFTurbo",
        architecture="BS-RoFormer",
        outputs=STEMS,
        relative_cost=24.0,
        weights_licence=NONE_STATED,
        licence_note=f"The release states none. A question about it is open: {_MSST}/issues/245",
        files=(
            ModelFile(
                name="model_bs_roformer_ep_17_sdr_9.6568.ckpt",
                size_bytes=527_385_512,
                sha256="3e9daecd70aaed5b5a0d1f861cc4d77eaa45afb3fc6301b1cf32c1be0f5868fb",
                mirrors=(f"{_MSST}/releases/download/v1.0.12/model_bs_roformer_ep_17_sdr_9.6568.ckpt",),
            ),
        ),
        **_scored(MUSDB18, mean=9.65, drums=11.61, bass=8.48, other=7.44, vocals=11.08),
    ),
    _declare(
        name="bs-roformer-vocals",
        description="BS-RoFormer for vocals and the rest, trained by viperx",
        architecture="BS-RoFormer",
        outputs=("vocals", "other"),
        relative_cost=48.0,
        weights_licence=NONE_STATED,
        files=(
            ModelFile(
                name="model_bs_roformer_ep_317_sdr_12.9755.ckpt",
                size_bytes=639_331_213,
                sha256="5b84f37e8d444c8cb30c79d77f613a41c05868ff9c9ac6c7049c00aefae115aa",
                mirrors=(
                    "https://github.com/TRvlvr/model_repo/releases/download/all_public_uvr_models/"
                    "model_bs_roformer_ep_317_sdr_12.9755.ckpt",
                ),
            ),
        ),
        **_scored(MULTISONG, vocals=10.87),
    ),
    _declare(
        name="mel-band-roformer-vocals",
        description="Mel-Band RoFormer for vocals and the rest, trained by Kimberley Jensen",
        architecture="Mel-Band RoFormer",
        outputs=("vocals", "other"),
        relative_cost=17.0,
        memory_bytes=2_100_000_000,
        weights_licence="MIT",
        licence_note=(
            "The model card states MIT since 22 April 2026 and stated GPL-3.0 before:"
            " https://huggingface.co/KimberleyJSN/melbandroformer/commit/ac9b0614ab3cd7f77219e18ba494dfd93956c348"
        ),
        source="KimberleyJSN/melbandroformer",
        files=(
            ModelFile(
                name="MelBandRoformer.ckpt",
                size_bytes=913_106_900,
                sha256="87201f4d31afb5bc79993230fc49446918425574db48c01c405e44f365c7559e",
            ),
        ),
        **_scored(MULTISONG, vocals=10.98),
    ),
)

_config = functools.partial(
    RoformerConfig, time_depth=1, freq_depth=1, head_count=8, head_dim=64, n_fft=2048, hop_length=441, win_length=2048
)
_vocals = functools.partial(_config, stems=("vocals",), remainder="other", segment_frames=352_800)

CONFIGS: Mapping[str, RoformerConfig] = {
    "bs-roformer": _config(
        dim=384, depth=8, freqs_per_bands=DEFAULT_BANDS, mlp_expansion=2, stems=STEMS, segment_frames=485_100
    ),
    "bs-roformer-vocals": _vocals(dim=512, depth=12, freqs_per_bands=DEFAULT_BANDS),
    "mel-band-roformer-vocals": _vocals(dim=384, depth=6, mel_band_count=60),
}
"""Configuration of each published model."""
