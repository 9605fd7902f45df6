"""Load on a whole stack. ``make load`` runs ``python -m tests.load``."""

import sys
from pathlib import Path

# The helpers of the stories, which pytest finds by itself.
sys.path.insert(0, str(Path(__file__).parents[1] / "api"))
