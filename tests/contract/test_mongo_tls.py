"""TLS between the MongoDB store and a server that demands a certificate of the platform's CA."""

import contextlib
import shutil
import ssl
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from soundwright.kit.adapters.mongo import client as mongo_client
from soundwright.kit.adapters.mongo.docs import MongoDocs
from soundwright.kit.errors import AppError
from soundwright.kit.infra import open_docs
from soundwright.kit.ports import Docs
from soundwright.kit.security.certificates import Certificates
from soundwright.kit.settings import Settings, SettingsError
from tests.certificates import Authority
from tests.servers.mongodb import MongodbServer


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("platform"))


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "stranger")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, platform: Authority) -> Iterator[MongodbServer]:
    folder = tmp_path_factory.mktemp("server") / "mongodb"
    with contextlib.closing(MongodbServer(folder, tls=platform.certificates("mongodb"))) as server:
        server.start()
        yield server


@pytest.fixture
def url(server: MongodbServer) -> str:
    return f"{server.url}/test_{uuid.uuid4().hex}?tls=true"


def opened(url: str, certificates: Certificates) -> Docs:
    docs = open_docs(
        Settings(
            docs_url=url,
            tls_ca_file=certificates.ca_file,
            tls_cert_file=certificates.cert_file,
            tls_key_file=certificates.key_file,
        )
    )
    return docs


async def serves(docs: Docs) -> bool:
    """Return whether the store takes a document. Close it."""
    doc_id = uuid.uuid4().hex
    try:
        await docs.insert("jobs", {"id": doc_id})
        return await docs.get("jobs", doc_id) is not None
    except AppError as refusal:
        if refusal.reason != "STORE_UNAVAILABLE":
            raise
        return False
    finally:
        await docs.close()


async def test_a_process_without_the_platforms_certificate_gets_nothing(
    url: str, platform: Authority, stranger: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = platform.certificates("library")
    assert await serves(opened(url, certificates))

    monkeypatch.setattr(mongo_client, "_SELECTION_MILLISECONDS", 1_500)
    without_certificate = ssl.create_default_context(cafile=certificates.ca_file)
    assert not await serves(MongoDocs(url, without_certificate))
    assert not await serves(opened(url, stranger.certificates("library")))
    of_another_authority = ssl.create_default_context(cafile=certificates.ca_file)
    others = stranger.certificates("library")
    of_another_authority.load_cert_chain(others.cert_file, others.key_file)
    assert not await serves(MongoDocs(url, of_another_authority))
    assert not await serves(opened(url.removesuffix("?tls=true"), certificates)), "without TLS"
    elsewhere = url.replace("127.0.0.1", "127.0.0.2")  # which the server's certificate does not name
    assert not await serves(opened(elsewhere, certificates))


async def test_replaced_certificates_are_used_without_a_restart(
    url: str, platform: Authority, stranger: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_client, "_SELECTION_MILLISECONDS", 1_500)
    used = stranger.certificates("library")
    docs = opened(url, used)
    with pytest.raises(AppError, match="STORE_UNAVAILABLE"):
        await docs.get("jobs", "a")
    issued = platform.certificates("library", folder=tmp_path)
    for new, old in (
        (issued.ca_file, used.ca_file),
        (issued.cert_file, used.cert_file),
        (issued.key_file, used.key_file),
    ):
        shutil.move(new, old)
    assert await serves(docs)


async def test_certificates_in_the_url_take_precedence(
    url: str, platform: Authority, stranger: Authority, tmp_path: Path
) -> None:
    named = platform.certificates("library")
    both = tmp_path / "both.pem"
    both.write_text(Path(named.cert_file).read_text() + Path(named.key_file).read_text())
    options = f"&tlsCAFile={named.ca_file}&tlsCertificateKeyFile={both}"
    assert await serves(opened(url + options, stranger.certificates("library")))
    with pytest.raises(SettingsError, match=r"SOUNDWRIGHT_DOCS_URL: .*no-such\.pem"):
        opened(f"{url}&tlsCAFile=/no-such.pem", named)
