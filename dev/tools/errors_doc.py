"""``python -m dev.tools.errors_doc [--check]``: write the table of docs/ERRORS.md from the catalogue, or fail if it differs."""

from __future__ import annotations

import re
import sys
from itertools import groupby

from dev.tools.generated import ROOT, written_or_checked
from soundwright.kit.errors import CATALOGUE, ErrorType

DOCUMENT = ROOT / "docs" / "ERRORS.md"
_HEADING = "## All errors\n"
_INTRODUCTION = """
This table is generated from `kit/errors.py` by `python -m dev.tools.errors_doc`. *Retry*: a job that fails with the error is tried
again. Sentences can say more than the table. Words in braces stand for values.

| code | HTTP | gRPC | retry | sentence |
|---|---|---|---|---|
"""


def generate(document: str) -> str:
    """Return ``document`` with the current table."""
    errors = sorted(CATALOGUE.values(), key=lambda error: error.reason)
    rows = "".join(_row(reason, list(found)) for reason, found in groupby(errors, key=lambda error: error.reason))
    return document.partition(_HEADING)[0] + _HEADING + _INTRODUCTION + rows


def _row(reason: str, found: list[ErrorType]) -> str:
    values = [error.code.value for error in found]
    texts = dict.fromkeys(f"{error.sentence} *{error.note}*" if error.note else error.sentence for error in found)
    cells = [
        f"`{reason}`",
        ", ".join(dict.fromkeys(str(value.http_status) for value in values)),
        ", ".join(dict.fromkeys(f"`{value.grpc_status}`" for value in values)),
        ", ".join(dict.fromkeys("yes" if value.retryable else "no" for value in values)),
        re.sub(r"\{(\w+)[^}]*\}", r"{\1}", "<br>".join(texts)),
    ]
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.exit(written_or_checked(DOCUMENT, generate(DOCUMENT.read_text()), "python -m dev.tools.errors_doc"))
