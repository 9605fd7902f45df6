"""Who is calling: bearer tokens, and callers without a name."""

from services.gateway.auth.identify import Authenticator, peer_address

__all__ = ["Authenticator", "peer_address"]
