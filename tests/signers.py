"""Components of one platform, as tests need them."""

import dataclasses

from soundwright.kit.adapters.system.clock import SystemClock
from soundwright.kit.ports import Clock
from soundwright.kit.security.identity import Principal, Signer
from soundwright.kit.security.secrets import Secrets
from soundwright.kit.security.signing_keys import DerivedKeys

SECRET = "0" * 32


def plain_signer(component: str, clock: Clock | None = None, *secrets: str) -> Signer:
    return Signer(component, _keys(component, *secrets), clock or SystemClock())


def signer_of(component: str, clock: Clock | None = None) -> Signer:
    """Return the signer of ``component``, which every account has called through the gateway."""
    return _Called(component, _keys(component), clock or SystemClock())


class _Called(Signer):
    def sign(self, principal: Principal, audience: str, call_seconds: float = 0.0) -> str:
        if not principal.is_service and not principal.proof:
            gateway = plain_signer("gateway", self._clock)
            principal = dataclasses.replace(principal, proof=gateway.sign(principal, self.component))
        return super().sign(principal, audience, call_seconds)


def _keys(component: str, *secrets: str) -> DerivedKeys:
    return DerivedKeys(component, Secrets.of(*(secrets or (SECRET,))))
