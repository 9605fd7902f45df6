"""The signed principal: only what we signed a moment ago is believed."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import AppError, Code
from kit.identity import Principal, Signer, current_principal, principal_scope, require_principal

KEY = b"k" * 32
ANN = Principal("ann", "pro")


class HandClock:
    def __init__(self) -> None:
        self.time = 1_000_000.0

    def now(self) -> float:
        return self.time


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
def signer(clock: HandClock) -> Signer:
    return Signer(KEY, clock)


@given(st.text(st.characters(codec="utf-8")), st.sampled_from(["user", "super_admin", "service"]))
def test_what_is_signed_is_verified(subject: str, role: str) -> None:
    signer = Signer(KEY, HandClock())
    assert signer.verify(signer.sign(Principal(subject, role))) == Principal(subject, role)


def test_a_token_lives_for_minutes(signer: Signer, clock: HandClock) -> None:
    token = signer.sign(ANN)
    clock.time += 150
    assert signer.verify(token) == ANN
    clock.time += 1
    refused(signer, token)


def test_clocks_may_differ_a_little(clock: HandClock) -> None:
    ahead = HandClock()
    ahead.time += 20
    assert Signer(KEY, clock).verify(Signer(KEY, ahead).sign(ANN)) == ANN


def test_another_key_is_not_ours(signer: Signer, clock: HandClock) -> None:
    refused(signer, Signer(b"x" * 32, clock).sign(ANN))


def test_a_changed_token_is_refused_whatever_is_changed(signer: Signer) -> None:
    head, body, mark = signer.sign(ANN).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    for changed in ({"role": "service"}, {"sub": "bob"}, {"exp": claims["exp"] + 3600}):
        refused(signer, f"{head}.{part({**claims, **changed})}.{mark}")
    refused(signer, f"{head}.{body}.{mark[:-4]}AAAA")
    refused(signer, f"{head}.{body}.")
    refused(signer, f"{head}.{body}")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "HS384", "RS256", "hs256", None, 5])
def test_the_token_does_not_choose_the_algorithm(signer: Signer, algorithm: object) -> None:
    _, body, mark = signer.sign(ANN).split(".")
    refused(signer, f"{part({'alg': algorithm, 'typ': 'JWT'})}.{body}.")
    refused(signer, f"{part({'alg': algorithm, 'typ': 'JWT'})}.{body}.{mark}")


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")) | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*"))
def test_nonsense_is_refused_and_never_crashes(token: str) -> None:
    refused(Signer(KEY, HandClock()), token)


def test_the_principal_holds_inside_its_block_only() -> None:
    assert current_principal() is None
    with principal_scope(ANN):
        assert require_principal() == ANN
        with principal_scope(None):
            assert current_principal() is None
        assert current_principal() == ANN
    with pytest.raises(AppError, match="PRINCIPAL_MISSING"):
        require_principal()


@pytest.mark.parametrize(
    ("principal", "service", "admin", "anonymous"),
    [
        (ANN, False, False, False),
        (Principal("x", "service"), True, False, False),
        (Principal("x", "admin"), False, True, False),
        (Principal("x", "super_admin"), False, True, False),
        (Principal("x", "platform_admin"), False, False, False),
        (Principal("anon:1", "user"), False, False, True),
        (Principal("canon:1", "user"), False, False, False),
    ],
)
def test_kinds_of_principals(principal: Principal, service: bool, admin: bool, anonymous: bool) -> None:
    assert (principal.is_service, principal.is_admin, principal.is_anonymous) == (service, admin, anonymous)
