"""How mails leave: through an SMTP server, else into a folder where the operator finds them."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
import time
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from kit.log import get_logger
from kit.private import write_private

__all__ = ["FolderCarrier", "SmtpCarrier", "smtp_problem"]

_TIMEOUT_SECONDS = 15.0
_PAUSES_SECONDS = (1.0, 5.0)
log = get_logger()


class FolderCarrier:
    """Puts every mail into ``<folder>/*.eml``, which only the operator may read. The log says so, without its secrets."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def carry(self, kind: str, message: EmailMessage) -> None:
        path = self._folder / f"{time.time_ns():020d}-{kind}.eml"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, message.as_string())
        log.info("mail.kept", kind=kind, file=path.name)


class SmtpCarrier:
    """Sends mails through an SMTP server (RFC 5321), three times if need be; what it does not take goes to ``otherwise``.

    Args:
        url: ``smtp://user:password@host:port`` (TLS when the server offers it, and always with a password unless the
            server is on this machine) or ``smtps://...`` (TLS from the first byte).
        otherwise: where a mail goes that the server did not take.
        pauses_seconds: before the second try, the third and so on.
    """

    def __init__(self, url: str, otherwise: FolderCarrier, pauses_seconds: tuple[float, ...] = _PAUSES_SECONDS) -> None:
        self._url = urlsplit(url)
        self._otherwise = otherwise
        self._pauses_seconds = pauses_seconds

    async def carry(self, kind: str, message: EmailMessage) -> None:
        for pause_seconds in (*self._pauses_seconds, None):
            try:
                await asyncio.to_thread(_send, self._url, message)
            except (OSError, smtplib.SMTPException) as error:
                # The text of the error may quote what was sent.
                log.warning("mail.refused", kind=kind, error=type(error).__name__)
            else:
                log.info("mail.sent", kind=kind)
                return
            if pause_seconds is not None:
                await asyncio.sleep(pause_seconds)
        await self._otherwise.carry(kind, message)


def smtp_problem(url: str) -> str:
    """What is wrong with the address of an SMTP server; empty: nothing."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and parts.path in ("", "/")
        fits = fits and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    return "" if fits else "must be smtp://user:password@host:port or smtps://user:password@host:port"


def _send(url: SplitResult, message: EmailMessage) -> None:
    host = url.hostname or ""
    local = host in ("localhost", "127.0.0.1", "::1")
    server: Any
    if url.scheme == "smtps":
        server = smtplib.SMTP_SSL(host, url.port or 465, timeout=_TIMEOUT_SECONDS, context=ssl.create_default_context())
    else:
        server = smtplib.SMTP(host, url.port or 587, timeout=_TIMEOUT_SECONDS)
    with server:
        if url.scheme == "smtp":
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
            elif url.username and not local:
                raise smtplib.SMTPException("the server takes no password over an encrypted connection")
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
        server.send_message(message)
