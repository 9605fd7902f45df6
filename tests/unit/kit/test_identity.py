"""Tokens of principals, and the rotation of the secrets and keys that sign them."""

import base64
import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey
from pydantic import SecretStr

from soundwright.kit.adapters.sqlite.docs import SqliteDocs
from soundwright.kit.adapters.system.clock import SystemClock
from soundwright.kit.errors import AppError, Code
from soundwright.kit.security.identity import Principal, Signer, current_principal, principal_scope, require_principal
from soundwright.kit.security.sealing import Sealer
from soundwright.kit.security.secrets import SecretError, Secrets
from soundwright.kit.security.signing_keys import (
    DerivedKeys,
    FileKeys,
    KeyFileError,
    _derived,
    add_key_files,
    forget_previous_keys,
)
from soundwright.kit.settings import Settings, SettingsError
from soundwright.services.gateway.callers.browsers import Browsers
from soundwright.services.gateway.settings import GatewaySettings
from soundwright.services.library.secret_rotation import add_secret, forget_previous_secrets, reseal
from tests.clocks import HandClock
from tests.signers import SECRET, plain_signer

ANN = Principal("ann", "pro")


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def refused(signer: Signer, token: str) -> None:
    with pytest.raises(AppError) as refusal:
        signer.verify(token)
    assert (refusal.value.code, refusal.value.reason) == (Code.UNAUTHENTICATED, "PRINCIPAL_INVALID")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def gateway(clock: HandClock) -> Signer:
    return plain_signer("gateway", clock)


@pytest.fixture
def library(clock: HandClock) -> Signer:
    return plain_signer("library", clock)


@given(
    st.text(st.characters(codec="utf-8")).filter(lambda subject: not subject.startswith("service:")),
    st.sampled_from(["user", "super_admin", "anonymous"]),
)
def test_a_signed_principal_is_verified(subject: str, role: str) -> None:
    clock = HandClock()
    principal = plain_signer("library", clock).verify(
        plain_signer("gateway", clock).sign(Principal(subject, role), "library")
    )
    assert (principal.id, principal.role, principal.component) == (subject, role, "gateway")


def test_a_token_expires_after_two_minutes(gateway: Signer, library: Signer, clock: HandClock) -> None:
    token = gateway.sign(ANN, "library")
    clock.time += 150
    assert library.verify(token) == ANN
    clock.time += 1
    refused(library, token)


def test_a_token_outlives_a_long_call(gateway: Signer, library: Signer, clock: HandClock) -> None:
    token = gateway.sign(ANN, "library", call_seconds=600)
    clock.time += 600
    assert library.verify(token) == ANN
    clock.time += 91
    refused(library, token)


def test_tokens_are_reused_for_thirty_seconds(gateway: Signer, clock: HandClock) -> None:
    token = gateway.sign(ANN, "library")
    clock.time += 29
    assert gateway.sign(ANN, "library") == token
    assert gateway.sign(Principal("ann", "user"), "library") != token
    assert gateway.sign(ANN, "ingest") != token
    clock.time += 1
    assert gateway.sign(ANN, "library") != token


def test_clock_skew_is_tolerated(library: Signer) -> None:
    ahead = HandClock()
    ahead.time += 20
    assert library.verify(plain_signer("gateway", ahead).sign(ANN, "library")) == ANN


def test_a_token_of_another_key_is_refused(library: Signer, clock: HandClock) -> None:
    refused(library, plain_signer("gateway", clock, "x" * 32).sign(ANN, "library"))


def test_a_token_for_another_component_is_refused(gateway: Signer, library: Signer) -> None:
    refused(library, gateway.sign(ANN, "separation"))
    refused(library, gateway.sign(gateway.service, "separation"))


def test_changed_tokens_are_refused(gateway: Signer, library: Signer) -> None:
    head, body, mark = gateway.sign(ANN, "library").split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    for changed in ({"role": "admin"}, {"sub": "bob"}, {"exp": claims["exp"] + 3600}, {"iss": "library"}):
        refused(library, f"{head}.{part({**claims, **changed})}.{mark}")
    refused(library, f"{head}.{body}.{'A' * len(mark)}")
    refused(library, f"{head}.{body}.")
    refused(library, f"{head}.{body}")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "HS256", "EdDSA", "RS256", "ed25519", None, 5])
def test_the_token_does_not_choose_the_algorithm(gateway: Signer, library: Signer, algorithm: object) -> None:
    head, body, mark = gateway.sign(ANN, "library").split(".")
    header = {**json.loads(base64.urlsafe_b64decode(head + "==")), "alg": algorithm}
    refused(library, f"{part(header)}.{body}.")
    refused(library, f"{part(header)}.{body}.{mark}")


def test_a_public_key_is_no_secret_for_another_algorithm(gateway: Signer, library: Signer) -> None:
    keys = DerivedKeys("gateway", Secrets.of(SECRET))
    key_id, _ = keys.private()
    public = keys.public(key_id)
    assert public is not None
    claims = {"iss": "gateway", "aud": "library", "sub": "ann", "role": "super_admin", "exp": 2_000_000}
    forged = jwt.encode(
        {"alg": "HS256", "kid": key_id}, claims, OctKey.import_key(public.public_key.public_bytes_raw())
    )
    refused(library, forged)


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")) | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*"))
def test_invalid_tokens_are_refused(token: str) -> None:
    refused(plain_signer("library", HandClock()), token)


def test_a_deep_header_is_refused(library: Signer) -> None:
    deep = base64.urlsafe_b64encode(b"[" * 2900).rstrip(b"=").decode()
    refused(library, f"{deep}.e30.AAAA")


# ------------------------------------------------------------------------------------------------- who may sign as whom


def forged(component: str, key_of: str = "", **claims: object) -> str:
    """Return a token with any claims, signed with the key of a component."""
    key_id, key = DerivedKeys(key_of or component, Secrets.of(SECRET)).private()
    body = {"iss": component, "aud": "library", "iat": 1_000_000, "exp": 1_000_120, **claims}
    return jwt.encode({"alg": "Ed25519", "kid": key_id}, body, key, algorithms=["Ed25519"])


def test_a_worker_is_only_itself(library: Signer) -> None:
    assert library.verify(forged("analysis", sub="service:analysis", role="service")).id == "service:analysis"
    for claims in (
        {"sub": "service:gateway", "role": "service"},
        {"sub": "service:library", "role": "service"},
        {"sub": "service:analysis", "role": "super_admin"},
        {"sub": "ann", "role": "user"},
        {"sub": "anon:1", "role": "anonymous"},
        {"sub": "root", "role": "super_admin"},
        {"sub": "ann", "role": "service"},
    ):
        refused(library, forged("analysis", **claims))
    refused(library, forged("gateway", key_of="analysis", sub="ann", role="user"))
    refused(library, forged("gateway", sub="service:ingest", role="service"))
    refused(library, forged("library", key_of="gateway", sub="ann", role="user"))


def test_a_component_acts_for_an_account_that_called_it(gateway: Signer, library: Signer, clock: HandClock) -> None:
    analysis, separation = plain_signer("analysis", clock), plain_signer("separation", clock)
    at_analysis = analysis.verify(gateway.sign(ANN, "analysis"))
    at_separation = separation.verify(analysis.sign(at_analysis, "separation"))
    at_library = library.verify(separation.sign(at_separation, "library"))
    assert at_library == at_separation == at_analysis == ANN
    assert (at_analysis.component, at_separation.component, at_library.component) == (
        "gateway",
        "analysis",
        "separation",
    )


def test_a_component_without_proof_may_not_act_for_an_account(clock: HandClock) -> None:
    with pytest.raises(AppError, match="PRINCIPAL_NOT_PROVEN"):
        plain_signer("analysis", clock).sign(ANN, "library")


def test_a_proof_is_for_one_component(gateway: Signer, library: Signer) -> None:
    stolen = gateway.sign(ANN, "separation")
    refused(library, forged("analysis", **{"for": stolen}))
    refused(library, forged("analysis", **{"for": forged("ingest", sub="service:ingest", role="service")}))
    assert library.verify(forged("separation", **{"for": stolen})) == ANN


def test_a_proof_expires(gateway: Signer, library: Signer, clock: HandClock) -> None:
    proof = gateway.sign(ANN, "analysis")
    clock.time += 149
    analysis = plain_signer("analysis", clock)
    token = analysis.sign(analysis.verify(proof), "library")
    assert library.verify(token) == ANN
    clock.time += 2
    refused(library, token)


def test_proofs_do_not_nest_without_end(gateway: Signer, clock: HandClock) -> None:
    hop = plain_signer("analysis", clock)
    principal = hop.verify(gateway.sign(ANN, "analysis"))
    for _ in range(4):
        principal = hop.verify(hop.sign(principal, "analysis"))
    refused(hop, hop.sign(principal, "analysis"))


def test_a_service_is_not_forwarded(gateway: Signer, library: Signer, clock: HandClock) -> None:
    ingest = plain_signer("ingest", clock)
    caller = ingest.verify(gateway.sign(gateway.service, "ingest"))
    assert caller.id == "service:gateway"
    assert library.verify(ingest.sign(caller, "library")).id == "service:ingest"


def test_the_library_proves_the_accounts_of_api_tokens(library: Signer, clock: HandClock) -> None:
    separation = plain_signer("separation", clock)
    caller = Principal(ANN.id, ANN.role, proof=library.prove(ANN, "separation"))
    assert library.verify(separation.sign(caller, "library")) == ANN
    assert library.prove(ANN, "gateway") == ""


def test_a_scope_sets_the_principal() -> None:
    assert current_principal() is None
    with principal_scope(ANN):
        assert require_principal() == ANN
        with principal_scope(None):
            assert current_principal() is None
        assert current_principal() == ANN
    with pytest.raises(AppError, match="PRINCIPAL_MISSING"):
        require_principal()


@pytest.mark.parametrize(
    ("principal", "service", "admin", "administers", "anonymous"),
    [
        (ANN, False, False, False, False),
        (Principal("x", "service"), True, False, False, False),
        (Principal("x", "admin"), False, True, True, False),
        (Principal("x", "super_admin"), False, True, True, False),
        (Principal("x", "platform_admin"), False, False, True, False),
        (Principal("anon:1", "user"), False, False, False, True),
        (Principal("canon:1", "user"), False, False, False, False),
    ],
)
def test_properties_of_principals(
    principal: Principal, service: bool, admin: bool, administers: bool, anonymous: bool
) -> None:
    assert (principal.is_service, principal.is_admin, principal.may_administer, principal.is_anonymous) == (
        service,
        admin,
        administers,
        anonymous,
    )


OLD, NEW = "o" * 32, "n" * 32

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


def test_secrets_that_became_unusable_leave_the_last_ones(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(OLD)
    secrets = Secrets(file.read_text, file)
    file.write_text("")
    assert secrets.current == OLD.encode()
    file.write_text(f"{NEW} {OLD}")
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
