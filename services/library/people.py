"""Everything that concerns accounts, put together."""

from __future__ import annotations

from dataclasses import dataclass

from kit.ports import Clock, Docs
from kit.sealing import Sealer
from services.library.account_store import AccountStore
from services.library.accounts import Accounts
from services.library.admin import Administration
from services.library.api_tokens import ApiTokens
from services.library.attempts import Attempts
from services.library.connections import Connections
from services.library.credentials import Passwords
from services.library.letters import Letters
from services.library.mailboxes import Mailboxes
from services.library.outbox import FolderCarrier, SmtpCarrier
from services.library.sessions import Sessions
from services.library.settings import LibrarySettings

__all__ = ["People", "gather"]


@dataclass(frozen=True)
class People:
    store: AccountStore
    accounts: Accounts
    sessions: Sessions
    tokens: ApiTokens
    mailboxes: Mailboxes
    connections: Connections
    letters: Letters
    administration: Administration
    clock: Clock

    async def expire(self) -> int:
        """Forget some of what has had its time, and say how much."""
        return await self.store.purge(self.clock.now())


def gather(docs: Docs, settings: LibrarySettings, clock: Clock) -> People:
    """The accounts in ``docs``, under the settings of the library."""
    store = AccountStore(docs)
    attempts, sessions, tokens = Attempts(store, clock), Sessions(store, clock), ApiTokens(store, clock)
    outbox = FolderCarrier(settings.data_dir.resolve() / "outbox")
    smtp_url = settings.smtp_url.get_secret_value()
    carrier = SmtpCarrier(smtp_url, outbox) if smtp_url else outbox
    letters = Letters(store, attempts, carrier, clock, settings.public_address, settings.mail_from)
    limit = settings.attempts_per_address
    accounts = Accounts(store, tokens, sessions, attempts, Passwords(), letters, clock, limit, settings.registration)
    mailboxes = Mailboxes(store, accounts, sessions, attempts, letters, clock, limit)
    connections = Connections(store, accounts, sessions, Sealer(settings.signing_key()), clock)
    administration = Administration(store, clock)
    return People(store, accounts, sessions, tokens, mailboxes, connections, letters, administration, clock)
