"""``python -m soundwright.services.separation import FILE [--name NAME]``: register a checkpoint of this machine as a model."""

import sys

from soundwright.services.separation.importing import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
