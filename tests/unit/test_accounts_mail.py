"""Email links, the email queue and its transports."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest
from accounts_fixture import BROWSER, CLIENT_IP, PASSWORD, IdentityFixture, identity_fixture, raises_error, secret_in
from structlog.testing import capture_logs

from kit.errors import AppError, Code
from kit.settings import SettingsError, load
from services.library.identity.emails import LOGIN_LINK_SECONDS
from services.library.mail.transport import FolderTransport, SmtpTransport, smtp_url_error
from services.library.settings import LibrarySettings
from tests.simulators.smtp import SmtpSink


@pytest.fixture
async def fixture(tmp_path: Path) -> AsyncIterator[IdentityFixture]:
    async with identity_fixture(tmp_path) as built:
        yield built


async def confirmed(fixture: IdentityFixture) -> None:
    await fixture.account()
    await fixture.identity.email_links.confirm(await fixture.secret("confirmation"), BROWSER, "")


async def test_confirmation_link_confirms_the_address_once(fixture: IdentityFixture) -> None:
    await fixture.account()
    secret = await fixture.secret("confirmation")
    fixture.clock.time += 5
    _, account = await fixture.identity.email_links.confirm(secret, BROWSER, "")
    assert (account.email, account.confirm_time) == ("ann@example.org", fixture.clock.time)
    with raises_error("LINK_INVALID", Code.NOT_FOUND):
        await fixture.identity.email_links.confirm(secret, BROWSER, "")


@pytest.mark.parametrize("proof", ["browser", "session", "none", "another browser", "another account"])
async def test_confirming_what_a_stranger_registered_removes_their_access(fixture: IdentityFixture, proof: str) -> None:
    account = await fixture.account()
    secret = await fixture.secret("confirmation")
    session, (token, _) = await fixture.log_in(), await fixture.identity.tokens.create(account, "mine")
    await fixture.account("eve@example.org")
    browser_key = {"browser": BROWSER, "another browser": "another"}.get(proof, "")
    sessions = {"session": session, "another account": await fixture.log_in("eve@example.org")}
    before, after = await fixture.identity.email_links.confirm(secret, browser_key, sessions.get(proof, ""))
    assert (before.confirm_time, after.confirm_time) == (None, fixture.clock.time)
    if proof in ("browser", "session"):
        assert await fixture.identity.tokens.authenticate(token) == after
        return
    with raises_error("UNAUTHORIZED"):
        await fixture.identity.sessions.authenticate(session)
    with raises_error("UNAUTHORIZED"):
        await fixture.identity.tokens.authenticate(token)
    with raises_error("CREDENTIALS_INVALID"):
        await fixture.identity.accounts.verify_password("ann@example.org", PASSWORD, CLIENT_IP)


async def test_emails_go_to_a_private_folder_without_a_server(fixture: IdentityFixture) -> None:
    with capture_logs() as logs:
        await fixture.account()
        secret = await fixture.secret("confirmation")
    (path,) = fixture.outbox.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(fixture.outbox.stat().st_mode) == 0o700
    assert secret in path.read_text()
    kept = [entry for entry in logs if entry["event"] == "mail.stored"]
    assert [(entry["kind"], entry["file"]) for entry in kept] == [("confirmation", path.name)]
    assert secret not in repr(logs)


async def test_queued_emails_survive_a_restart(tmp_path: Path) -> None:
    async with identity_fixture(tmp_path) as fixture:
        await fixture.stop_sending()  # before it sends anything
        await fixture.account()
        assert not fixture.outbox.exists()
    async with identity_fixture(tmp_path) as fixture:
        (mail,) = await fixture.mails()
        assert mail["To"] == "ann@example.org"
        await fixture.identity.email_links.confirm(secret_in(mail), BROWSER, "")
    async with identity_fixture(tmp_path) as fixture:
        await fixture.identity.emails.send_already_registered("bob@example.org")
        assert [mail["To"] for mail in await fixture.mails()] == [
            "ann@example.org",
            "bob@example.org",
        ]  # each exactly once


async def test_sending_stops_while_an_email_is_queued(fixture: IdentityFixture) -> None:
    for number in range(20):
        await fixture.mails()  # the sender now waits
        await asyncio.sleep(0)
        await fixture.identity.emails.send_already_registered(f"user{number}@example.org")
        fixture.sending.cancel()
        async with asyncio.timeout(10):
            await asyncio.gather(fixture.sending, return_exceptions=True)
        fixture.start_sending()


async def test_an_expired_claim_is_taken_over(fixture: IdentityFixture) -> None:
    await fixture.stop_sending()
    await fixture.account()
    (queued_email,) = await fixture.identity.email_docs.list_due(fixture.clock.time, 10)
    assert await fixture.identity.email_docs.replace(replace(queued_email, due_time=fixture.clock.time + 120))
    assert not await fixture.identity.email_docs.replace(replace(queued_email, due_time=0.0))  # claimed
    assert await fixture.identity.email_docs.list_due(fixture.clock.time, 10) == []
    fixture.clock.time += 121
    fixture.start_sending()
    (mail,) = await fixture.mails()
    assert mail["To"] == "ann@example.org"


async def test_a_stale_login_link_is_not_sent(fixture: IdentityFixture) -> None:
    await fixture.account()
    await fixture.mails()
    await fixture.stop_sending()
    await fixture.identity.emails.send_login_link("ann@example.org")
    fixture.clock.time += LOGIN_LINK_SECONDS
    fixture.start_sending()
    assert await fixture.mails("login-link") == []
    await fixture.identity.emails.send_login_link("ann@example.org")
    assert len(await fixture.mails("login-link")) == 1


async def test_links_begin_with_the_public_address(tmp_path: Path) -> None:
    async with identity_fixture(tmp_path, public_url="https://studio.example/") as fixture:
        await fixture.account()
        (mail,) = await fixture.mails()
        assert "\nhttps://studio.example/users/confirm/" in mail.get_content()


async def test_a_login_link_works_once(fixture: IdentityFixture) -> None:
    await confirmed(fixture)
    await fixture.identity.email_links.request_login(" Ann@example.org", CLIENT_IP)
    secret = await fixture.secret("login-link")

    async def redeem() -> str:
        try:
            return (await fixture.identity.email_links.log_in(secret, False))[0]
        except AppError as error:
            return error.reason

    results = await asyncio.gather(*(redeem() for _ in range(5)))
    assert sorted(results)[:4] == ["LINK_INVALID"] * 4 or results.count("LINK_INVALID") == 4
    (session,) = set(results) - {"LINK_INVALID"}
    assert (await fixture.identity.sessions.authenticate(session)).fresh
    assert await fixture.identity.accounts.verify_password("ann@example.org", PASSWORD, CLIENT_IP)


async def test_a_login_link_is_valid_for_15_minutes(fixture: IdentityFixture) -> None:
    await confirmed(fixture)
    for seconds, reason in ((899, ""), (900, "LINK_INVALID")):
        await fixture.identity.email_links.request_login("ann@example.org", CLIENT_IP)
        secret = await fixture.secret("login-link")
        fixture.clock.time += seconds
        if reason:
            with raises_error(reason):
                await fixture.identity.email_links.log_in(secret, False)
        else:
            assert await fixture.identity.email_links.log_in(secret, False)


async def test_login_link_request_does_not_reveal_accounts(fixture: IdentityFixture) -> None:
    await fixture.account()
    before = len(await fixture.mails())
    assert await fixture.identity.email_links.request_login("nobody@example.org", CLIENT_IP) is None
    assert len(await fixture.mails()) == before
    assert await fixture.identity.email_links.request_login("ann@example.org", CLIENT_IP) is None
    assert len(await fixture.mails()) == before + 1


async def test_emails_to_one_mailbox_are_limited_silently(fixture: IdentityFixture) -> None:
    await fixture.account()
    for n in range(8):
        await fixture.identity.email_links.request_login("ann@example.org", f"192.0.2.{n}")
    assert len(await fixture.mails("login-link")) == 5


async def test_link_requests_per_ip_address_are_limited(fixture: IdentityFixture) -> None:
    for n in range(30):
        await fixture.identity.email_links.request_login(f"user{n}@example.org", CLIENT_IP)
    with raises_error("RATE_LIMITED"):
        await fixture.identity.email_links.request_login("ann@example.org", CLIENT_IP)


async def test_a_link_serves_its_own_purpose_only(fixture: IdentityFixture) -> None:
    await fixture.account()
    confirmation = await fixture.secret("confirmation")
    await fixture.identity.email_links.request_login("ann@example.org", CLIENT_IP)
    login = await fixture.secret("login-link")
    with raises_error("LINK_INVALID"):
        await fixture.identity.email_links.log_in(confirmation, False)
    with raises_error("LINK_INVALID"):
        await fixture.identity.email_links.confirm(login, BROWSER, "")
    assert await fixture.identity.email_links.log_in(login, False)  # the refusal did not redeem the link


async def test_login_link_revokes_an_unconfirmed_registration(fixture: IdentityFixture) -> None:
    """The owner of the mailbox logs in by link, which revokes the password, session and token of the stranger."""
    account = await fixture.account()
    session, (token, _) = await fixture.log_in(), await fixture.identity.tokens.create(account, "mine")
    await fixture.identity.email_links.request_login("ann@example.org", CLIENT_IP)
    mine, owner = await fixture.identity.email_links.log_in(await fixture.secret("login-link"), False)
    assert (owner.id, owner.confirm_time) == (account.id, fixture.clock.time)
    with raises_error("UNAUTHORIZED"):
        await fixture.identity.sessions.authenticate(session)
    with raises_error("UNAUTHORIZED"):
        await fixture.identity.tokens.authenticate(token)
    with raises_error("CREDENTIALS_INVALID"):
        await fixture.identity.accounts.verify_password("ann@example.org", PASSWORD, CLIENT_IP)
    assert await fixture.identity.accounts.change_password(mine, "", "my own password", False, CLIENT_IP)


async def test_a_new_password_revokes_earlier_links(fixture: IdentityFixture) -> None:
    await confirmed(fixture)
    session = await fixture.log_in()
    await fixture.identity.email_links.request_login("ann@example.org", CLIENT_IP)
    await fixture.identity.email_links.request_change(session, "", "eve@example.org", CLIENT_IP)
    login, change = await fixture.secret("login-link"), await fixture.secret("email-change")
    await fixture.identity.accounts.change_password(session, "", "a better password", False, CLIENT_IP)
    with raises_error("LINK_INVALID"):
        await fixture.identity.email_links.log_in(login, False)
    with raises_error("LINK_INVALID"):
        await fixture.identity.email_links.confirm(change, BROWSER, "")


async def test_email_changes_after_confirmation_by_the_new_mailbox(fixture: IdentityFixture) -> None:
    await confirmed(fixture)
    session = await fixture.log_in()
    await fixture.identity.email_links.request_change(session, "", "New@example.org", CLIENT_IP)
    assert await fixture.identity.store.find_account_by_email("new@example.org") is None
    mail = (await fixture.mails("email-change"))[-1]
    assert mail["To"] == "new@example.org"
    _, account = await fixture.identity.email_links.confirm(secret_in(mail), BROWSER, "")
    assert account.email == "new@example.org"
    assert await fixture.identity.store.find_account_by_email("ann@example.org") is None
    assert await fixture.identity.accounts.verify_password("new@example.org", PASSWORD, CLIENT_IP)
    (note,) = await fixture.mails("email-changed")
    assert note["To"] == "ann@example.org"


async def test_email_change_to_a_taken_address_is_refused(fixture: IdentityFixture) -> None:
    await confirmed(fixture)
    bob = await fixture.account("bob@example.org")
    session = await fixture.log_in()
    assert await fixture.identity.email_links.request_change(session, "", "bob@example.org", CLIENT_IP) is None
    assert await fixture.mails("email-change") == []
    await fixture.identity.email_links.request_change(session, "", "late@example.org", CLIENT_IP)
    late = await fixture.secret("email-change")
    await fixture.account("late@example.org")
    with raises_error("EMAIL_TAKEN", Code.CONFLICT):
        await fixture.identity.email_links.confirm(late, BROWSER, "")
    assert await fixture.identity.store.get_account(bob.id) == bob
    with raises_error("VALIDATION_ERROR"):
        await fixture.identity.email_links.request_change(session, "", "ann@example.org", CLIENT_IP)


def queued_email(text: str = "Hello.\n.\n..\nÄrger\n") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "soundwright@localhost", "ann@example.org", "Grüße"
    message.set_content(text)
    return message


async def test_smtp_server_receives_the_email(tmp_path: Path) -> None:
    with SmtpSink("robot", "p:ss w@rd") as sink:
        url = sink.url.replace("p:ss w@rd", "p%3Ass%20w%40rd")
        await SmtpTransport(url, FolderTransport(tmp_path / "outbox")).send("note", queued_email())
        (mail,) = sink.await_mails(1)
    assert (mail.sender, mail.recipients, mail.user) == ("soundwright@localhost", ("ann@example.org",), "robot")
    assert mail.message["Subject"] == "Grüße"
    assert mail.message.get_content() == "Hello.\r\n.\r\n..\r\nÄrger\r\n"
    assert not (tmp_path / "outbox").exists()


async def test_smtp_failures_are_retried(tmp_path: Path) -> None:
    with SmtpSink(refusals=2) as sink:
        transport = SmtpTransport(sink.url, FolderTransport(tmp_path / "outbox"), retry_delays_seconds=(0.01, 0.01))
        await transport.send("note", queued_email())
        assert len(sink.await_mails(1)) == 1


@pytest.mark.parametrize("password", ["right", "wrong"])
async def test_undeliverable_emails_go_to_the_outbox(tmp_path: Path, password: str) -> None:
    with SmtpSink("robot", "right", refusals=9) as sink, capture_logs() as logs:
        url = sink.url.replace("right", password)
        await SmtpTransport(url, FolderTransport(tmp_path), retry_delays_seconds=(0.01,)).send("note", queued_email())
        assert sink.mails == []
    assert [path.read_text().count("ann@example.org") for path in tmp_path.iterdir()] == [1]
    assert [entry["event"] for entry in logs] == ["mail.send_failed", "mail.send_failed", "mail.stored"]
    assert "robot" not in repr(logs)


async def test_registration_sends_through_the_configured_server(tmp_path: Path) -> None:
    with SmtpSink() as sink:
        async with identity_fixture(tmp_path, smtp_url=sink.url, mail_from="studio@example.org") as fixture:
            await fixture.account()
            (mail,) = await asyncio.to_thread(sink.await_mails, 1)
            assert (mail.sender, mail.recipients) == ("studio@example.org", ("ann@example.org",))
            _, account = await fixture.identity.email_links.confirm(secret_in(mail.message), BROWSER, "")
            assert account.confirm_time


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("smtp://mail.example", True),
        ("smtp://user:p%40ss@mail.example:2525", True),
        ("smtps://user:pw@mail.example/", True),
        ("http://mail.example", False),
        ("smtp://", False),
        ("smtp://mail.example:x", False),
        ("smtp://mail.example/path", False),
        ("mail.example:25", False),
    ],
)
def test_smtp_urls(monkeypatch: pytest.MonkeyPatch, url: str, fits: bool) -> None:
    assert (smtp_url_error(url) == "") is fits
    monkeypatch.setenv("SOUNDWRIGHT_SMTP_URL", url)
    if fits:
        assert load(LibrarySettings).smtp_url.get_secret_value() == url
        assert "p%40ss" not in repr(load(LibrarySettings))
    else:
        with pytest.raises(SettingsError, match=r"SOUNDWRIGHT_SMTP_URL: .*must be smtp://"):
            load(LibrarySettings)
