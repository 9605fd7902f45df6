"""Browser pages: HTML rendered by the server, one stylesheet, and one optional script that updates pages live."""

from services.gateway.web.dialect import PAGES
from services.gateway.web.live import live_endpoint
from services.gateway.web.routes import page_routes

__all__ = ["PAGES", "live_endpoint", "page_routes"]
