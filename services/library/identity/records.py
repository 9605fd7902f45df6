"""What is stored about accounts beside :class:`~soundwright.services.library.identity.account.Account`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AccountDeletion:
    """The record of a deleted account. ``id`` is that of the account."""

    id: str
    delete_time: float
    revision: int = 0


@dataclass(frozen=True)
class AuditEntry:
    """An entry of the audit log. ``create_time`` is in seconds since 1970."""

    id: str
    actor_id: str
    actor_email: str
    action: str
    resource_type: str
    resource_id: str
    changes_json: str
    ip_address: str
    create_time: float
    revision: int = 0


@dataclass(frozen=True)
class Connection:
    """The connection of an account to a provider. Times are seconds since 1970.

    Attributes:
        subject: the ID of the account at the provider; None for an API key.
        label: the display name of the account at the provider.
        secret_sealed: the token or key, encrypted for this connection.
        epoch: the ``connection_epoch`` of the account when the connection was created.
    """

    id: str
    account_id: str
    provider: str
    subject: str | None
    label: str
    secret_sealed: str
    epoch: int
    create_time: float
    update_time: float
    revision: int = 0


@dataclass(frozen=True)
class Consent:
    """A model whose weights an administrator has allowed, although their authors state no licence.

    Attributes:
        id: name of the model.
        terms: what the authors say about the licence, as the administrator saw it.
        actor_id, actor_email: the account of the administrator.
        create_time: seconds since 1970.
    """

    id: str
    terms: str
    actor_id: str
    actor_email: str
    create_time: float
    revision: int = 0
