"""Options of ``demucs`` and ``audio-separator`` that have no effect here, with a sentence that names ours."""

from __future__ import annotations

from typing import Any

import typer.core

_QUALITY = "The server chooses how a model runs. Use --quality best, or another --model."
_DEVICE = "The server computes, on its GPU if it has one. Leave it out."
_STORED = "MP3 files have 320 kbit/s, and M4A files 256 kbit/s. Leave it out."
_LEVEL = "Stems add up to the recording, and do not clip. Leave it out."
_WEIGHTS = "The server keeps the weights: `soundwright models` lists them."
_SENTENCES = {
    **dict.fromkeys(("-d", "--device", "-j", "--jobs", "--segment", "--use_autocast", "--chunk_duration"), _DEVICE),
    **dict.fromkeys(("--shifts", "--overlap", "--no-split", "--ensemble_preset"), _QUALITY),
    **dict.fromkeys(("-s", "--sig", "--repo", "--model_file_dir", "-l", "--list_models"), _WEIGHTS),
    **dict.fromkeys(("--mp3-bitrate", "--mp3-preset", "--output_bitrate", "--use_soundfile"), _STORED),
    **dict.fromkeys(("--clip-mode", "--normalization", "--amplification", "--invert_spect"), _LEVEL),
    "--other-method": "With --two-stems, the other file is the recording without the stem. Leave it out.",
    "--sample_rate": "Stems have the sample rate of the recording. Leave it out.",
    "--custom_output_names": "Use --filename, for example '{track}/{stem}.{ext}'.",
}
_PREFIXES = ("--mdx_", "--vr_", "--demucs_", "--mdxc_")


class ForeignCommand(typer.core.TyperCommand):
    """A command that explains options of other programs."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for argument in args:
            if argument == "--":
                break
            name = argument.partition("=")[0]
            sentence = _QUALITY if name.startswith(_PREFIXES) else _SENTENCES.get(name)
            if sentence:
                ctx.fail(f"{name} is an option of another program. {sentence}")
        return super().parse_args(ctx, args)
