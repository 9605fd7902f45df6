"""``python -m soundwright.services.separation.engines.demucs``: add exported networks to a folder.

The process reads its task from standard input (:func:`.exports.export_model`), and ends when its parent does.
"""

import json
import os
import sys
import threading
from pathlib import Path

_NICENESS = 10


def main() -> None:
    """Export the networks of the model that standard input names."""
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_exit_at_end_of_input, daemon=True).start()
    os.nice(_NICENESS)
    # This takes seconds, in which the process already yields to others and ends with its parent.
    from soundwright.services.separation.engines.demucs.compiled import export
    from soundwright.services.separation.engines.demucs.engine import DemucsEngine

    model_dir = None if task["model_dir"] is None else Path(task["model_dir"])
    engine = DemucsEngine(model_dir=model_dir, trusted_sha256=frozenset(task["trusted_sha256"]))
    export(engine.load_bag(task["model"], "cpu").networks, Path(task["folder"]), task["mode"])


def _exit_at_end_of_input() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
