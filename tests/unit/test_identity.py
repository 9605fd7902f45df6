"""Tokens of principals."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey

from kit.errors import AppError, Code
from kit.security.identity import Principal, Signer, current_principal, principal_scope, require_principal
from kit.security.secrets import Secrets
from kit.security.signing_keys import DerivedKeys
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
