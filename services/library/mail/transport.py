"""Mail transports: an SMTP server, or a folder that the operator reads."""

import asyncio
import smtplib
import ssl
import time
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from soundwright.kit.log import get_logger
from soundwright.kit.security.private_files import write_private

_TIMEOUT_SECONDS = 15.0
_RETRY_DELAYS_SECONDS = (1.0, 5.0)
log = get_logger()


class FolderTransport:
    """Writes each message to ``<folder>/*.eml``, readable by the operator only. The log names the file, not the content."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, kind: str, message: EmailMessage) -> None:
        path = self._folder / f"{time.time_ns():020d}-{kind}.eml"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, message.as_string())
        log.info("mail.stored", kind=kind, file=path.name)


class SmtpTransport:
    """Sends messages through an SMTP server (RFC 5321) and retries failures. The last resort is a fallback transport.

    Args:
        url: ``smtp://user:password@host:port`` or ``smtps://...``. ``smtps`` uses TLS from the first byte; ``smtp``
            uses STARTTLS if the server offers it. A password requires TLS, except on a loopback address.
        fallback: receives the messages that the server did not accept.
        retry_delays_seconds: the delay before each retry.
    """

    def __init__(
        self, url: str, fallback: FolderTransport, retry_delays_seconds: tuple[float, ...] = _RETRY_DELAYS_SECONDS
    ) -> None:
        self._url = urlsplit(url)
        self._fallback = fallback
        self._retry_delays_seconds = retry_delays_seconds

    async def send(self, kind: str, message: EmailMessage) -> None:
        for delay_seconds in (*self._retry_delays_seconds, None):
            try:
                await asyncio.to_thread(_send, self._url, message)
            except (OSError, smtplib.SMTPException) as error:
                # The error text may quote the message, so the log has only the type.
                log.warning("mail.send_failed", kind=kind, error=type(error).__name__)
            else:
                log.info("mail.sent", kind=kind)
                return
            if delay_seconds is not None:
                await asyncio.sleep(delay_seconds)
        await self._fallback.send(kind, message)


def smtp_url_error(url: str) -> str:
    """Return the error of an SMTP URL, or an empty string if the URL is valid."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and parts.path in ("", "/")
        valid = valid and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    return "" if valid else "must be smtp://user:password@host:port or smtps://user:password@host:port"


def _send(url: SplitResult, message: EmailMessage) -> None:
    host = url.hostname or ""
    is_loopback = host in ("localhost", "127.0.0.1", "::1")
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
            elif url.username and not is_loopback:
                raise smtplib.SMTPException("the server does not offer TLS, so the password is not sent")
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
        server.send_message(message)
