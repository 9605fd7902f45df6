"""A server that takes mails (RFC 5321): plain or with a password, on a free port, and keeps what it is sent."""

import base64
import socketserver
import threading
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass(frozen=True)
class Mail:
    """One mail as it came in, and who was logged in."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    user: str


class SmtpSink:
    """A context manager. ``refusals`` says how many mails are turned away before the first one is taken."""

    def __init__(self, user: str = "", password: str = "", refusals: int = 0) -> None:
        self.user, self.password, self.refusals = user, password, refusals
        self.mails: list[Mail] = []
        self._arrived = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), _Conversation)
        self._server.sink = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        login = f"{self.user}:{self.password}@" if self.user else ""
        return f"smtp://{login}127.0.0.1:{self._server.server_address[1]}"

    def keep(self, mail: Mail) -> None:
        with self._arrived:
            self.mails.append(mail)
            self._arrived.notify_all()

    def await_mails(self, count: int, deadline_seconds: float = 20.0) -> list[Mail]:
        """The mails, once there are as many."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.mails) >= count, deadline_seconds), "no such mail came"
            return list(self.mails)

    def __enter__(self) -> "SmtpSink":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    sink: SmtpSink


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        sink = server.sink
        user, sender, recipients = "", "", list[str]()
        self._say("220 sink ready")
        while line := self.rfile.readline(2000):
            word, _, rest = line.decode().strip().partition(" ")
            match word.upper():
                case "EHLO" | "HELO":
                    self.wfile.write(b"250-sink\r\n250-AUTH PLAIN\r\n250 SMTPUTF8\r\n")
                case "AUTH":
                    _, name, password = base64.b64decode(rest.split()[1]).decode().split("\0")
                    good = (name, password) == (sink.user, sink.password)
                    user = name if good else ""
                    self._say("235 welcome" if good else "535 no")
                case "MAIL":
                    if sink.user and not user:
                        self._say("530 log in first")
                    elif sink.refusals > 0:
                        sink.refusals -= 1
                        self._say("451 later")
                    else:
                        sender = _address(rest)
                        self._say("250 yes")
                case "RCPT":
                    recipients.append(_address(rest))
                    self._say("250 yes")
                case "DATA":
                    self._say("354 go on")
                    message = message_from_bytes(self._data(), policy=policy.default)
                    assert isinstance(message, EmailMessage)
                    sink.keep(Mail(sender, tuple(recipients), message, user))
                    self._say("250 taken")
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 yes")

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")

    def _data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return b"".join(lines)


def _address(text: str) -> str:
    return text.partition("<")[2].partition(">")[0]
