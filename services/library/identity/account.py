"""The account."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Account:
    """An account. Times are seconds since 1970.

    Sessions, email links, API tokens and connections store the epoch of their account. They are valid only while it
    equals the current one, so raising an epoch revokes all of them in one write.

    Attributes:
        confirm_time: when the owner confirmed the email address; None if it is unconfirmed.
        session_epoch: the epoch of sessions and email links.
        browser_key: identifies the browser that registered the account; empty: none did.
        storage_quota_bytes: 0 means no limit, and None the default of the platform.
    """

    id: str
    email: str
    role: str
    status: str
    password_hash: str
    create_time: float
    confirm_time: float | None = None
    session_epoch: int = 0
    token_epoch: int = 0
    connection_epoch: int = 0
    browser_key: str = ""
    storage_quota_bytes: int | None = None
    revision: int = 0
