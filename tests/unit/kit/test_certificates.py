"""TLS certificates: what is refused at the start, what a connection verifies, and the reload of changed files."""

import asyncio
import contextlib
import dataclasses
import datetime
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from soundwright.kit.security.certificates import CertificateError, Certificates, ReloadingContext
from soundwright.kit.settings import Settings, SettingsError, load
from tests.certificates import Authority

YESTERDAY = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


def refused(certificates: Certificates, setting: str, words: str) -> None:
    with pytest.raises(CertificateError) as problem:
        certificates.check()
    assert str(problem.value).startswith(f"SOUNDWRIGHT_TLS_{setting}_FILE")
    assert words in str(problem.value)


def test_no_files_mean_no_tls() -> None:
    Certificates().check()
    assert not Certificates().configured


def test_files_of_one_authority_are_accepted(authority: Authority) -> None:
    certificates = authority.certificates("library")
    certificates.check()
    assert certificates.configured


@pytest.mark.parametrize("part", ["ca", "cert", "key"])
def test_a_missing_file_is_named(authority: Authority, part: str) -> None:
    certificates = dataclasses.replace(authority.certificates("library"), **{f"{part}_file": "/no/such.pem"})
    refused(certificates, part.upper(), "cannot read /no/such.pem: No such file or directory.")


@pytest.mark.parametrize(
    ("part", "words"), [("ca", "no certificate"), ("cert", "no certificate"), ("key", "no private")]
)
def test_a_file_that_is_no_pem_is_named(authority: Authority, part: str, words: str) -> None:
    certificates = authority.certificates("library")
    Path(getattr(certificates, f"{part}_file")).write_bytes(b"\0 not PEM")
    refused(certificates, part.upper(), words)


def test_files_that_do_not_fit_each_other_or_expired_are_refused(authority: Authority, tmp_path: Path) -> None:
    library, gateway = authority.certificates("library"), authority.certificates("gateway")
    refused(dataclasses.replace(library, key_file=""), "KEY", "needs all of")
    refused(dataclasses.replace(library, key_file=gateway.key_file), "KEY", "does not match")
    stranger = Authority(tmp_path / "other").certificates("library")
    refused(dataclasses.replace(library, ca_file=stranger.ca_file), "CERT", "is not signed by")
    refused(authority.certificates("library", expires=YESTERDAY), "CERT", "expired at")


def test_unusable_files_are_a_settings_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_TLS_CERT_FILE", "/no/such.pem")
    with pytest.raises(SettingsError, match="SOUNDWRIGHT_TLS_CA_FILE, SOUNDWRIGHT_TLS_KEY_FILE: missing"):
        load(Settings)


@contextlib.asynccontextmanager
async def answering(certificates: Certificates) -> AsyncIterator[int]:
    """Serve ``ok`` over TLS. Yield the port."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(b"ok")
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    context = ReloadingContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_from(certificates)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def ask(port: int, context: ssl.SSLContext, name: str = "library") -> tuple[bytes, int]:
    """Return the answer of the server and the serial number of its certificate."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    try:
        serial = writer.get_extra_info("peercert")["serialNumber"]
        return await reader.read(), int(serial, 16)
    finally:
        writer.close()


async def test_a_connection_needs_certificates_of_one_authority_and_the_name(
    authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "other").certificates("gateway").client_context()
    anonymous = ssl.create_default_context(cafile=authority.certificates("library").ca_file)
    gateway = authority.certificates("gateway").client_context()
    async with answering(authority.certificates("library")) as port:
        answer, _ = await ask(port, gateway)
        assert answer == b"ok"
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            await ask(port, gateway, name="separation")
        with pytest.raises(ssl.SSLCertVerificationError):
            await ask(port, stranger)
        answer = b""
        with contextlib.suppress(ssl.SSLError, ConnectionError):  # the refusal, or only the end of the connection
            answer, _ = await ask(port, anonymous)
        assert answer == b""


async def test_changed_files_apply_to_the_next_connection(authority: Authority) -> None:
    certificates = authority.certificates("library")
    gateway = authority.certificates("gateway").client_context()
    async with answering(certificates) as port:
        _, first = await ask(port, gateway)
        authority.certificates("library")
        _, second = await ask(port, gateway)
        assert first != second

        Path(certificates.key_file).write_text("half written")  # the certificate that works stays
        assert (await ask(port, gateway))[1] == second


async def test_an_authority_that_is_removed_from_the_file_is_not_trusted_any_more(
    authority: Authority, tmp_path: Path
) -> None:
    library, gateway = authority.certificates("library"), authority.certificates("gateway")
    successor = Authority(tmp_path / "other")
    new_gateway = successor.certificates("gateway")
    both = Path(gateway.ca_file).read_bytes() + Path(new_gateway.ca_file).read_bytes()
    for files in (gateway, library):
        Path(files.ca_file).write_bytes(both)
    client = gateway.client_context()
    async with answering(library) as port:
        assert (await ask(port, client))[0] == b"ok"
        successor.certificates("gateway", folder=Path(gateway.ca_file).parent)  # the client trusts the new one only
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
            await ask(port, client)
        Path(gateway.ca_file).write_bytes(both)
        assert (await ask(port, client))[0] == b"ok"
        authority.certificates("gateway", folder=Path(gateway.ca_file).parent)
        Path(gateway.ca_file).write_bytes(both)
        successor.certificates("library", folder=Path(library.ca_file).parent)  # the server trusts the new one only
        answer = b""
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            answer, _ = await ask(port, client)
        assert answer == b""
