"""Weights without a stated licence that administrators have allowed."""

import getpass

from soundwright.kit import errors
from soundwright.kit.ports import Clock
from soundwright.services.library.identity.account import Account
from soundwright.services.library.identity.audit import AuditLog
from soundwright.services.library.identity.records import Consent
from soundwright.services.library.table import Table

_LIMIT_CHARS = 2000
_LIMIT_MODELS = 1000
_NO_ACCOUNT = "00000000-0000-0000-0000-000000000000"


class Consents:
    """The models that were allowed. A consent lasts until somebody withdraws it: entries of the audit log expire."""

    def __init__(self, records: Table[Consent], audit: AuditLog, clock: Clock) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock

    async def allow(self, actor: Account, model: str, terms: str) -> None:
        """Record that an account allows a model, and an entry in the audit log. Do nothing if the model is allowed already.

        Raises ``VALIDATION_ERROR`` if a text is empty or too long.
        """
        if not model or max(len(model), len(terms)) > _LIMIT_CHARS:
            raise errors.VALIDATION_ERROR(
                f"A consent needs the name of a model, and texts of at most {_LIMIT_CHARS} characters."
            )
        if model in await self.models():
            return
        entry = await self._audit.record(actor, "model_allow", "model", model, {"terms": {"from": "", "to": terms}})
        consent = Consent(model, terms, actor.id, actor.email, self._clock.now())
        if not await self._records.add(consent):  # another request was faster
            await self._audit.withdraw(entry)

    async def withdraw(self, actor: Account, model: str) -> bool:
        """End the consent to a model, and record an entry in the audit log. Return False if nobody has allowed the model."""
        consent = await self._records.get(model)
        if consent is None:
            return False
        await self._audit.record(actor, "model_withdraw", "model", model, {"terms": {"from": consent.terms, "to": ""}})
        return await self._records.delete(model)

    async def models(self) -> list[str]:
        return [consent.id for consent in await self._records.find({}, limit=_LIMIT_MODELS)]


def operator() -> Account:
    """Return what records name as the account of somebody who runs a command on the server: the user of the system."""
    name = f"{getpass.getuser()} (command line)"
    return Account(_NO_ACCOUNT, name, role="super_admin", status="active", password_hash="", create_time=0.0)
