"""Renders the HTML templates in ``templates/``. All values are escaped."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
# No external content or frames. The secrets in the addresses of links are not sent to other sites.
PAGE_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def studio_headers(media_origin: str) -> dict[str, str]:
    """Return the headers of the page of the studio.

    The studio compiles the WebAssembly module of its pitch shifter, which ``'self'`` alone does not allow. ``'wasm-unsafe-eval'``
    allows no other code than WebAssembly.

    Args:
        media_origin: where files are redirected to; empty: they are not.
    """
    rules = _POLICY.replace("script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'")
    policy = f"{rules}; connect-src 'self'; worker-src 'self'; manifest-src 'self'; media-src 'self' {media_origin}"
    return PAGE_HEADERS | {"Content-Security-Policy": policy.strip()}


_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_template(name: str, /, **values: Any) -> str:
    """Return the HTML of template ``name``. Values about the user default to those of an anonymous user."""
    anonymous = {"account": None, "is_guest": False, "csrf_token": "", "flash": None, "offline": False}
    return _templates.get_template(name).render(anonymous | values)
