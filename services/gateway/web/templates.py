"""HTML out of the files in ``templates/``. Whatever is put in is escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

__all__ = ["LIVE_PAGE_HEADERS", "PAGE_HEADERS", "rendered"]

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# Nothing from elsewhere, no scripts at all, and in nobody's frame. A link's secret in the address goes nowhere.
PAGE_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

# Our own script, which may open a socket to where it comes from: browsers count ws: and wss: of the same host as 'self'.
LIVE_PAGE_HEADERS = PAGE_HEADERS | {
    "Content-Security-Policy": f"{_POLICY}; script-src 'self'; connect-src 'self'; media-src 'self'"
}

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def rendered(name: str, /, **values: Any) -> str:
    """The template ``name`` with these values in it; what says who looks at a page may be left out."""
    nobody = {"account": None, "known": False, "csrf_token": "", "flash": None}
    return _templates.get_template(name).render(nobody | values)
