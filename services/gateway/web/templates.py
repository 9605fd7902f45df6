"""HTML out of the files in ``templates/``. Whatever is put in is escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

__all__ = ["PAGE_HEADERS", "rendered"]

# Nothing from elsewhere, no scripts at all, and in nobody's frame. A link's secret in the address goes nowhere.
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def rendered(name: str, /, **values: Any) -> str:
    """The template ``name`` with these values in it; ``account`` and ``csrf_token`` may be left out."""
    return _templates.get_template(name).render({"account": None, "csrf_token": "", "flash": None, **values})
