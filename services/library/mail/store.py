"""The table of queued emails."""

from soundwright.kit.ports import Collection, Docs, Index
from soundwright.services.library.mail.service import QueuedEmail
from soundwright.services.library.table import Table

_EMAILS = Collection("email_queue", (Index(("due_time",)),))


def queued_emails(docs: Docs) -> Table[QueuedEmail]:
    return Table(docs, _EMAILS, QueuedEmail)
