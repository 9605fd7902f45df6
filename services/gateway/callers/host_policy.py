"""The host names of this server, and the origins whose pages may call it.

A web page can send requests to any address that its browser reaches, also to a server on loopback. Without the check of ``Host``, a page could in addition
read the responses: its own host name can be made to point at the server (DNS rebinding). A page that was loaded from an IP address cannot do that.
"""

import functools
import ipaddress
import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from soundwright.services.gateway.callers.csrf import SAFE_METHODS
from soundwright.services.gateway.settings import GatewaySettings

_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9_.-]{1,255})(?::[0-9]{1,5})?")
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]{2,45}\]|[a-z0-9_.-]{1,255})(?::[0-9]{1,5})?")
_ANY = "*"


class HostPolicy:
    """Checks ``Host`` and ``Origin``."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.public_address = settings.public_address
        self._public_origin = self.public_address.lower()
        self._hosts = {*settings.allowed_hosts, urlsplit(self._public_origin).hostname or ""}
        self._origins = {*settings.allowed_origins, self._public_origin}

    def serves(self, headers: Headers) -> bool:
        """Return whether ``Host`` names this server: with an IP address, a name of loopback, or an allowed name.

        A request without the header does not come from a browser.
        """
        given = headers.getlist("host")
        if len(given) > 1:
            return False
        if _ANY in self._hosts or not given or not given[0]:
            return True
        match = _HOST.fullmatch(given[0].lower())
        if match is None:
            return False
        name = match[1].removesuffix(".")
        return name in self._hosts or _is_loopback_name(name) or _is_address(name)

    def is_own_page(self, headers: Headers) -> bool:
        """Return whether a request with a cookie of this server comes from one of its pages.

        A browser that says so (``Sec-Fetch-Site``) is right even if a proxy does not pass ``Host`` on: it sends a cookie to the
        host that set it only, also if the name of another host points here.
        """
        return headers.get("sec-fetch-site", "").lower() == "same-origin" or self.is_own_origin(headers)

    def is_own_origin(self, headers: Headers) -> bool:
        """Return whether the request does not come from a page of another origin (``Sec-Fetch-Site``, ``Origin``).

        The origins of this server are the public address and the address in ``Host``, of either scheme: a proxy may terminate
        TLS. Clients that are not browsers send neither header.
        """
        if headers.get("sec-fetch-site", "").lower() == "cross-site":
            return False
        host = headers.get("host", "").lower()
        origin = headers.get("origin", self._public_origin).lower()
        return origin == self._public_origin or origin in (f"http://{host}", f"https://{host}")

    def may_read(self, headers: Headers) -> bool:
        """Return whether pages of the origin may call routes that need a token, and read the responses (CORS): allowed origins only."""
        origin = headers.get("origin", "").lower()
        return origin in self._origins or (_ANY in self._origins and bool(origin))

    def accepts_anonymous(self, method: str, headers: Headers) -> bool:
        """Return whether a request without credentials may come from its origin: this server, loopback, or an allowed origin.

        Browsers send no ``Origin`` if a page links to a file or shows it, which reveals nothing to the page.
        """
        origin = headers.get("origin", "").lower()
        if _ANY in self._origins or origin in self._origins or self.is_own_origin(headers):
            return True
        if not origin:
            return method in SAFE_METHODS
        match = _ORIGIN.fullmatch(origin)
        return match is not None and _is_loopback_name(match[1].removesuffix("."))


def _is_loopback_name(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    return _is_address(name) and ipaddress.ip_address(name.strip("[]")).is_loopback


@functools.lru_cache(maxsize=256)
def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
