"""Builds the services of accounts."""

from dataclasses import dataclass

from soundwright.kit import errors
from soundwright.kit.ports import Clock, Docs
from soundwright.kit.security.identity import ANONYMOUS_PREFIX, Principal, api_token_id
from soundwright.kit.security.sealing import Sealer
from soundwright.services.library.identity.administration import Administration
from soundwright.services.library.identity.api_tokens import ApiTokens
from soundwright.services.library.identity.audit import AuditLog
from soundwright.services.library.identity.connections import Connections
from soundwright.services.library.identity.consents import Consents
from soundwright.services.library.identity.credentials import Passwords
from soundwright.services.library.identity.email_links import EmailLinks
from soundwright.services.library.identity.emails import AccountEmails
from soundwright.services.library.identity.guests import Guests
from soundwright.services.library.identity.login_throttle import LoginThrottle
from soundwright.services.library.identity.service import Accounts
from soundwright.services.library.identity.sessions import Sessions
from soundwright.services.library.identity.store import IdentityStore
from soundwright.services.library.mail.service import EmailQueue, QueuedEmail
from soundwright.services.library.mail.store import queued_emails
from soundwright.services.library.mail.transport import FolderTransport, SmtpTransport
from soundwright.services.library.settings import LibrarySettings
from soundwright.services.library.table import Table


@dataclass(frozen=True)
class Identity:
    """The services of accounts, and their stores."""

    store: IdentityStore
    queued_emails: Table[QueuedEmail]
    accounts: Accounts
    guests: Guests
    sessions: Sessions
    tokens: ApiTokens
    email_links: EmailLinks
    connections: Connections
    email_queue: EmailQueue
    emails: AccountEmails
    administration: Administration
    audit: AuditLog
    consents: Consents
    clock: Clock

    async def prepare(self) -> None:
        await self.store.prepare()
        await self.queued_emails.prepare()

    async def principal_of_token(self, secret: str) -> Principal:
        """Return the principal of an API token.

        Raises ``AppError``: see :meth:`ApiTokens.authenticate`.
        """
        account = await self.tokens.authenticate(secret)
        return Principal(account.id, account.role, api_token_id=api_token_id(secret))

    async def refuse_names_of_accounts(self, principal: Principal) -> None:
        """Refuse anonymous callers who name themselves after an account, whose ID lists show without a prefix.

        Raises ``USER_ID_FOREIGN``.
        """
        name = principal.id.removeprefix(ANONYMOUS_PREFIX)
        if name != principal.id and await self.store.accounts.get(name.lower()) is not None:
            raise errors.USER_ID_FOREIGN("This user_id is the ID of an account. Log in to it, or send another one.")

    async def delete_expired(self) -> int:
        """Delete a batch of expired sessions, API tokens, links and throttle records, and return its size."""
        return await self.store.delete_expired(self.clock.now())


def build_identity(docs: Docs, settings: LibrarySettings, clock: Clock) -> Identity:
    store, emails_in_store = IdentityStore(docs), queued_emails(docs)
    throttle, audit = LoginThrottle(store.throttle_records, clock), AuditLog(store, clock)
    sessions, tokens = Sessions(store, clock, audit), ApiTokens(store, clock, audit)
    outbox = FolderTransport(settings.data_dir.resolve() / "outbox")
    smtp_url = settings.smtp_url.get_secret_value()
    transport = SmtpTransport(smtp_url, outbox) if smtp_url else outbox
    email_queue = EmailQueue(emails_in_store, transport, clock, settings.mail_from)
    emails = AccountEmails(email_queue, store, throttle, clock, settings.public_address)
    limit = settings.attempts_per_address
    accounts = Accounts(
        store, tokens, sessions, throttle, Passwords(), emails, audit, clock, limit, settings.registration
    )
    return Identity(
        store=store,
        queued_emails=emails_in_store,
        accounts=accounts,
        guests=Guests(store, sessions, throttle, clock, limit),
        sessions=sessions,
        tokens=tokens,
        email_links=EmailLinks(store, accounts, sessions, throttle, emails, audit, clock, limit),
        connections=Connections(store, accounts, sessions, Sealer(settings.secrets()), audit, clock),
        email_queue=email_queue,
        emails=emails,
        administration=Administration(store, audit),
        audit=audit,
        consents=Consents(store.consents, audit, clock),
        clock=clock,
    )
