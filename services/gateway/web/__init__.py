"""Pages for browsers, rendered here: plain HTML, our own stylesheet, and one script, which keeps lists as they are. All of it
works without the script, too."""

from services.gateway.web.dialect import PAGES
from services.gateway.web.live import live_endpoint
from services.gateway.web.routes import page_routes

__all__ = ["PAGES", "live_endpoint", "page_routes"]
