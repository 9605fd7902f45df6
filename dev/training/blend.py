"""Blends the parameters of a network and of the same network after more training: ``python -m dev.training.blend``.

Between both, networks often separate unknown material better than at either end (Wortsman et al., "Robust fine-tuning of
zero-shot models", 2022). ``--drums`` moves the score of the drums in the first stage, where the training songs have drums
more often than other music (Menon et al., "Long-tail learning via logit adjustment", 2021).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import safetensors.torch
from torch import Tensor

from soundwright.services.separation.service import STEMS

Parameters = dict[str, Tensor]

_SCORES = "masks.unet.last.1.bias"  # of the stems: two channels each


def blended(before: Parameters, after: Parameters, share: float, drums: float = 0.0) -> Parameters:
    """Return ``share`` of the parameters ``after`` and the rest of ``before``.

    Args:
        drums: is added to the score of the drums; 1 changes the odds against another stem by a factor of 2.7.
    """
    result = {name: (1 - share) * value + share * after[name] for name, value in before.items()}
    first = 2 * STEMS.index("drums")
    result[_SCORES][first : first + 2] += drums
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="safetensors file")
    parser.add_argument("after", type=Path, help="safetensors file of a training with --weights BEFORE")
    parser.add_argument("out", type=Path, help="safetensors file that is written")
    parser.add_argument("--share", type=float, default=0.3, help="share of AFTER, from 0 to 1")
    parser.add_argument("--drums", type=float, default=0.0, help="added to the score of the drums")
    options = parser.parse_args()
    before, after = (safetensors.torch.load_file(path) for path in (options.before, options.after))
    safetensors.torch.save_file(blended(before, after, options.share, options.drums), options.out)


if __name__ == "__main__":
    main()
