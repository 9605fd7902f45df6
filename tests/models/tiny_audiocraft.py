"""Small random models in the form in which audiocraft publishes its own: two files and a text encoder's folder."""

import copy
import warnings
from pathlib import Path
from typing import Any

import yaml

SAMPLE_RATE_HZ = 8000
FRAME_RATE_HZ = 10  # tokens a second
WINDOW_SECONDS = {"music": 20, "audio": 5, "magnet-music": 4, "magnet-audio": 4}  # of MAGNeT no whole spans
REPOSITORIES = {
    "music": "musicgen-small",
    "audio": "audiogen-medium",
    "magnet-music": "magnet-small-10secs",
    "magnet-audio": "audio-magnet-small",
}
WORDS = ("calm", "piano", "loud", "rain", "on", "a", "tin", "roof", "far", "away")
CODEC = yaml.safe_load(f"""
    compression_model: encodec
    encodec: {{autoencoder: seanet, quantizer: rvq, sample_rate: {SAMPLE_RATE_HZ}, channels: 1, causal: no, renormalize: no}}
    seanet:
        {{dimension: 16, channels: 1, causal: no, n_filters: 4, n_residual_layers: 1, ratios: [10, 8, 5, 2], lstm: 1,
        norm: weight_norm, encoder: {{}},
        decoder: {{trim_right_ratio: 1.0, final_activation: null, final_activation_params: null}}}}
    rvq: {{n_q: 4, bins: 256, q_dropout: no, kmeans_init: no}}
""")


LANGUAGE_MODEL = yaml.safe_load("""
    lm_model: transformer_lm
    transformer_lm:
        {n_q: 4, card: 256, dim: 32, num_heads: 2, num_layers: 2, hidden_scale: 2, dropout: 0.0, activation: gelu,
        norm_first: yes, bias_ff: no, bias_attn: no, bias_proj: no, causal: yes, custom: no, memory_efficient: yes,
        attention_as_float32: no, positional_embedding: sin, weight_init: gaussian, zero_bias_init: yes,
        cross_attention: no, two_step_cfg: no}
    codebooks_pattern: {modeling: delay, delay: {delays: [0, 1, 2, 3], flatten_first: 0, empty_initial: 0}}
    classifier_free_guidance: {training_dropout: 0.3, inference_coef: 3.0}
    attribute_dropout: {}
    fuser:
        {cross_attention_pos_emb: no, cross_attention_pos_emb_scale: 1, sum: [], prepend: [], cross: [description],
        input_interpolate: []}
    conditioners:
        description: {model: t5, t5: {name: t5-small, finetune: no, word_dropout: 0.3, normalize_text: no}}
""")


def configuration(model: str) -> dict[str, Any]:
    made = copy.deepcopy(LANGUAGE_MODEL)
    made["dataset"] = {"segment_duration": WINDOW_SECONDS[model]}
    if model.startswith("magnet"):
        made["lm_model"] = "transformer_lm_magnet"
        made["codebooks_pattern"] = {"modeling": "parallel", "parallel": {"empty_initial": -1}}
        made["transformer_lm"] |= {"causal": False, "subcodes_context": 2, "segment_duration": 0, "span_len": -1}
        made["masking"] = {"span_len": 3}
    return made


def save_text_encoder(folder: Path) -> None:
    import torch
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    torch.manual_seed(1)
    # audiocraft knows how wide a "t5-small" is.
    config = T5Config(vocab_size=200, d_model=512, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    T5EncoderModel(config).save_pretrained(folder)
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(f"▁{word}", -1.0) for word in WORDS] + [(letter, -3.0) for letter in "abcdefghijklmnopqrstuvwxyz"]
    T5Tokenizer(vocab=pieces).save_pretrained(folder)


def save_codec(folder: Path) -> None:
    """A codec in the form of transformers, as the published checkpoints of MusicGen name it."""
    from transformers import EncodecConfig, EncodecModel

    config = EncodecConfig(
        sampling_rate=SAMPLE_RATE_HZ, audio_channels=1, num_filters=4, num_residual_layers=1, num_lstm_layers=1,
        upsampling_ratios=[10, 8, 5, 2], codebook_size=1024, codebook_dim=16, hidden_size=16, target_bandwidths=[0.4],
        normalize=False, use_causal_conv=False,
    )  # fmt: skip
    EncodecModel(config).save_pretrained(folder)


def save_checkpoint(folder: Path, model: str, text_encoder: Path, *, as_objects: bool = False) -> None:
    """Both files of a checkpoint, with the configuration as text or ``as_objects`` of OmegaConf."""
    import torch
    from omegaconf import OmegaConf

    from soundwright.services.generation.engines.audiocraft import (
        library,  # before audiocraft, whose imports it replaces
    )

    from audiocraft.models import builders  # isort: skip

    def package(config: dict[str, Any], build: Any, **more: Any) -> dict[str, Any]:
        torch.manual_seed(2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # audiocraft calls what has since been deprecated
            network = build(OmegaConf.create({**config, **more, "device": "cpu", "dtype": "float32"}))
        written = OmegaConf.create(config)
        return {
            "best_state": network.state_dict(),
            "xp.cfg": written if as_objects else OmegaConf.to_yaml(written),
            "version": "1.3.0",
            "exported": True,
        }

    folder.mkdir(parents=True)
    config = configuration(model)
    magnet = {
        "transformer_lm": config["transformer_lm"]
        | {"compression_model_framerate": FRAME_RATE_HZ, "segment_duration": WINDOW_SECONDS[model], "span_len": 3}
    }
    with library.pretrained(lambda name, filenames: text_encoder):
        language_model = package(config, builders.get_lm_model, **(magnet if model.startswith("magnet") else {}))
    torch.save(language_model, folder / "state_dict.bin")
    torch.save(package(CODEC, builders.get_compression_model), folder / "compression_state_dict.bin")


def save_all(model_dir: Path) -> None:
    save_text_encoder(model_dir / "t5-small")
    for model, repository in REPOSITORIES.items():
        save_checkpoint(model_dir / repository, model, model_dir / "t5-small")
