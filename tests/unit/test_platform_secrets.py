"""Secrets and signing keys: rotation, files, and what is refused at the start."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from kit.adapters.sqlite.docs import SqliteDocs
from kit.adapters.system.clock import SystemClock
from kit.errors import AppError
from kit.security.identity import Principal, Signer
from kit.security.sealing import Sealer
from kit.security.secrets import SecretError, Secrets
from kit.security.signing_keys import DerivedKeys, FileKeys, KeyFileError, _derived, add_key_files, forget_previous_keys
from kit.settings import Settings, SettingsError
from services.gateway.auth.browsers import Browsers
from services.gateway.settings import GatewaySettings
from services.library.secret_rotation import add_secret, forget_previous_secrets, reseal
from tests.signers import plain_signer

OLD, NEW = "o" * 32, "n" * 32
ANN = Principal("ann", "user")
COMPONENTS = ("gateway", "library")


# -------------------------------------------------------------------------------------------------------------- secrets


def test_the_first_secret_is_current() -> None:
    secrets = Secrets.of(f"{NEW} {OLD}\n")
    assert (secrets.current, secrets.all) == (NEW.encode(), (NEW.encode(), OLD.encode()))


@pytest.mark.parametrize(
    ("text", "words"), [("", "no secret"), ("short", "5 characters"), (f"short {OLD}", "at least 32")]
)
def test_a_short_secret_is_refused(text: str, words: str) -> None:
    with pytest.raises(SecretError, match=words):
        Secrets.of(text)
    if text:
        with pytest.raises(SettingsError, match=words):
            Settings(secret=SecretStr(text)).secrets()


def test_a_short_previous_secret_signs_nothing() -> None:
    keys = DerivedKeys("library", Secrets.of(NEW, OLD, "short"))
    assert keys.public(_derived(OLD.encode(), "gateway")[0]) is not None
    assert keys.public(_derived(b"short", "gateway")[0]) is None


def test_secrets_that_became_unusable_leave_the_last_ones() -> None:
    texts = iter([OLD, "", f"{NEW} {OLD}"])
    versions = iter(range(9))
    secrets = Secrets(texts.__next__, versions.__next__)
    assert secrets.current == OLD.encode()
    assert secrets.current == NEW.encode()


def test_a_rotation_is_seen_by_running_components(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    running = settings.secrets()
    sealer = Sealer(running)
    first = running.current
    sealed = sealer.seal("token", "one")
    path = add_secret(settings)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert running.current != first
    assert running.all[1] == first
    assert sealer.open(sealed, "one") == "token"
    forget_previous_secrets(settings)
    assert len(running.all) == 1
    with pytest.raises(AppError, match="SECRET_UNREADABLE"):
        sealer.open(sealed, "one")


def test_a_file_of_an_earlier_version_stays_valid(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(OLD)
    assert Settings(data_dir=tmp_path).secrets().current == OLD.encode()


def test_forms_stay_valid_through_a_rotation(tmp_path: Path) -> None:
    settings = GatewaySettings(data_dir=tmp_path)
    browsers = Browsers(settings)
    token = browsers.csrf_token("visit")
    add_secret(settings)
    assert browsers.csrf_token("visit") != token
    assert browsers.is_valid_csrf_token("visit", token)
    assert not browsers.is_valid_csrf_token("another visit", token)
    forget_previous_secrets(settings)
    assert not browsers.is_valid_csrf_token("visit", token)


async def test_stored_secrets_are_encrypted_again(tmp_path: Path) -> None:
    old, both, new = Sealer(Secrets.of(OLD)), Secrets.of(NEW, OLD), Sealer(Secrets.of(NEW))
    docs = SqliteDocs(tmp_path / "library.db")
    assert await reseal(docs, both) == 0
    await docs.insert("connections", {"id": "one", "secret_sealed": old.seal("token", "one")})
    await docs.insert("connections", {"id": "lost", "secret_sealed": "v1.x"})
    webhook = {"secret_sealed": new.seal("whsec_2", "hook"), "previous_secret_sealed": old.seal("whsec_1", "hook")}
    await docs.insert("webhooks", {"id": "hook", **webhook})
    await docs.insert(
        "webhooks", {"id": "new", "secret_sealed": new.seal("whsec", "new"), "previous_secret_sealed": ""}
    )
    assert await reseal(docs, both) == 2
    assert await reseal(docs, both) == 0
    connection, hook = await docs.get("connections", "one"), await docs.get("webhooks", "hook")
    assert connection is not None
    assert hook is not None
    assert new.open(connection["secret_sealed"], "one") == "token"
    assert new.open(hook["secret_sealed"], "hook") == "whsec_2"
    assert new.open(hook["previous_secret_sealed"], "hook") == "whsec_1"
    await docs.close()


def test_components_with_old_and_new_secrets_understand_each_other_while_they_restart() -> None:
    before, during, after = (OLD, NEW), (NEW, OLD), (NEW,)
    for one, other in ((before, during), (during, before), (during, after), (before, before)):
        token = plain_signer("gateway", None, *one).sign(ANN, "library")
        assert plain_signer("library", None, *other).verify(token) == ANN
    with pytest.raises(AppError, match="PRINCIPAL_INVALID"):
        plain_signer("library", None, *after).verify(plain_signer("gateway", None, *before).sign(ANN, "library"))


# ------------------------------------------------------------------------------------------------------------ key files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    add_key_files(tmp_path, COMPONENTS)
    return tmp_path


def keys_of(folder: Path, component: str, pem: str = "") -> FileKeys:
    return FileKeys(component, str(folder / f"{pem or component}.pem"), str(folder / "keys.json"))


def signer(folder: Path, component: str) -> Signer:
    return Signer(component, keys_of(folder, component), SystemClock())


def test_components_with_key_files_understand_each_other(folder: Path) -> None:
    assert signer(folder, "library").verify(signer(folder, "gateway").sign(ANN, "library")) == ANN
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())
    assert not any("d" in key for key in json.loads((folder / "keys.json").read_text())["keys"])


def test_the_secret_does_not_sign_for_components_with_key_files(folder: Path) -> None:
    with pytest.raises(AppError, match="PRINCIPAL_INVALID"):
        signer(folder, "library").verify(plain_signer("gateway").sign(ANN, "library"))


def test_keys_rotate_without_a_refusal(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The public keys arrive first, then each private key."""
    gateway, library = signer(folder, "gateway"), signer(folder, "library")
    token = gateway.sign(ANN, "library", 100)
    staging = tmp_path_factory.mktemp("staging")
    (staging / "keys.json").write_text((folder / "keys.json").read_text())
    add_key_files(staging, COMPONENTS)
    (staging / "keys.json").replace(folder / "keys.json")
    assert library.verify(token) == ANN
    (staging / "gateway.pem").replace(folder / "gateway.pem")
    renewed = gateway.sign(ANN, "library", 100)
    assert renewed.split(".")[0] != token.split(".")[0]
    assert library.verify(renewed) == ANN
    (staging / "library.pem").replace(folder / "library.pem")
    forget_previous_keys(folder, COMPONENTS)
    assert library.verify(gateway.sign(ANN, "library", 100)) == ANN
    with pytest.raises(AppError, match="PRINCIPAL_INVALID"):
        signer(folder, "library").verify(token)


def test_unusable_files_leave_the_keys_as_they_were(folder: Path) -> None:
    gateway, library = signer(folder, "gateway"), signer(folder, "library")
    (folder / "keys.json").write_text("{")
    (folder / "gateway.pem").unlink()
    assert library.verify(gateway.sign(ANN, "library")) == ANN


def test_unusable_key_files_are_refused_at_the_start(folder: Path) -> None:
    with pytest.raises(KeyFileError, match=r"keys\.json has no public key 'analysis\."):
        keys_of(folder, "analysis", pem="gateway")  # the key of another component
    with pytest.raises(KeyFileError, match=r"cannot read .*ingest\.pem: No such file"):
        keys_of(folder, "ingest")
    (folder / "library.pem").write_text("x")
    with pytest.raises(KeyFileError, match="no Ed25519 private key"):
        keys_of(folder, "library")
    (folder / "keys.json").write_text("{}")
    with pytest.raises(KeyFileError, match="no JWK set"):
        keys_of(folder, "gateway")
    with pytest.raises(SettingsError, match="need each other"):
        Settings(data_dir=folder, signing_key_file="x").signing_keys("gateway")
    with pytest.raises(SettingsError, match="no JWK set"):
        Settings(
            signing_key_file=str(folder / "gateway.pem"), verification_keys_file=str(folder / "keys.json")
        ).signing_keys("gateway")
