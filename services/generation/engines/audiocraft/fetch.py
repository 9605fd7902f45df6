"""``python -m services.generation.engines.audiocraft.fetch [MODEL ...]``: fetch weights ahead of their first use.

They go where the standard cache of the model hub is (``HF_HOME``), from which generation loads them, also offline.
"""

from __future__ import annotations

import sys

from kit.errors import AppError
from services.generation.engines.audiocraft.engine import CHECKPOINTS, AudiocraftEngine


def main(models: list[str]) -> int:
    engine = AudiocraftEngine(device="cpu")
    failures = 0
    for model in models or list(CHECKPOINTS):
        try:
            engine.load(model)
        except AppError as error:
            failures += 1
            sys.stderr.write(f"{model}: {error.message}\n")
        else:
            engine.unload(model)
            sys.stdout.write(f"{model}: ready\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
