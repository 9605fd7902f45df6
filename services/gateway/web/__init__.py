"""Pages for browsers, rendered here: plain HTML, our own stylesheet, no scripts."""

from services.gateway.web.dialect import PAGES
from services.gateway.web.routes import page_routes

__all__ = ["PAGES", "page_routes"]
