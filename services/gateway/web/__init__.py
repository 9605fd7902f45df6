"""Browser pages: the page of the studio, and HTML rendered by the server with one stylesheet and no script."""

from soundwright.services.gateway.web.dialect import PAGES
from soundwright.services.gateway.web.routes import page_routes

__all__ = ["PAGES", "page_routes"]
