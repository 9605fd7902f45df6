"""``python -m services.separation.engines.fetch [MODEL ...]``: fetch weights ahead of their first use.

They go where the standard cache of the model hub is (``HF_HOME``), from which separation loads them, also offline.
"""

from __future__ import annotations

import sys

from kit.errors import AppError
from services.separation.engines.demucs import STEMS, DemucsEngine


def main(models: list[str]) -> int:
    engine = DemucsEngine(device="cpu")
    failures = 0
    for model in models or list(STEMS):
        try:
            engine.load(model)
        except AppError as error:
            failures += 1
            sys.stderr.write(f"{model}: {error.message}\n")
        else:
            sys.stdout.write(f"{model}: ready\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
