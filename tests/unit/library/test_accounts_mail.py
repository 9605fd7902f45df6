"""Email links, the email queue and its transports."""

import asyncio
import contextlib
import stat
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest
from library_fixture import BROWSER, CLIENT_IP, DAY, PASSWORD, Library, interrupted, opened, reason, secret_in
from structlog.testing import capture_logs

from soundwright.kit.errors import AppError, Code
from soundwright.kit.settings import SettingsError, load
from soundwright.services.library.identity.account import Account
from soundwright.services.library.identity.emails import LOGIN_LINK_SECONDS
from soundwright.services.library.mail.transport import FolderTransport, SmtpTransport, smtp_url_error
from soundwright.services.library.settings import LibrarySettings
from tests.simulators.smtp import SmtpSink
from tests.waiting import DEADLINE_SECONDS


async def confirmed(library: Library) -> None:
    await library.account()
    await library.confirm(await library.secret("confirmation"))


async def test_confirmation_link_confirms_the_address_once(library: Library) -> None:
    await library.account()
    secret = await library.secret("confirmation")
    library.clock.time += 5
    _, account = await library.confirm(secret)
    assert (account.email, account.confirm_time) == ("ann@example.org", library.clock.time)
    assert await reason(library.confirm(secret), Code.NOT_FOUND) == "LINK_INVALID"


@pytest.mark.parametrize("proof", ["browser", "session", "none", "another browser", "another account"])
async def test_confirming_what_a_stranger_registered_removes_their_access(library: Library, proof: str) -> None:
    account = await library.account()
    secret = await library.secret("confirmation")
    session, (token, _) = await library.log_in(), await library.tokens.create(account, "mine")
    await library.account("eve@example.org")
    browser_key = {"browser": BROWSER, "another browser": "another"}.get(proof, "")
    sessions = {"session": session, "another account": await library.log_in("eve@example.org")}
    before, after = await library.email_links.confirm(secret, browser_key, sessions.get(proof, ""))
    assert (before.confirm_time, after.confirm_time) == (None, library.clock.time)
    if proof in ("browser", "session"):
        assert await library.tokens.authenticate(token) == after
        return
    assert await reason(library.sessions.authenticate(session)) == "UNAUTHORIZED"
    assert await reason(library.tokens.authenticate(token)) == "UNAUTHORIZED"
    assert await reason(library.verify(PASSWORD)) == "CREDENTIALS_INVALID"


async def test_emails_go_to_a_private_folder_without_a_server(library: Library) -> None:
    with capture_logs() as logs:
        await library.account()
        secret = await library.secret("confirmation")
    (path,) = library.outbox.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(library.outbox.stat().st_mode) == 0o700
    assert secret in path.read_text()
    kept = [entry for entry in logs if entry["event"] == "mail.stored"]
    assert [(entry["kind"], entry["file"]) for entry in kept] == [("confirmation", path.name)]
    assert secret not in repr(logs)


async def test_queued_emails_survive_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as library:
        await library.account()
        assert not library.outbox.exists()
    async with opened(tmp_path) as library:
        (mail,) = await library.mails()
        assert mail["To"] == "ann@example.org"
        await library.confirm(secret_in(mail))
    async with opened(tmp_path) as library:
        await library.emails.send_already_registered("bob@example.org")
        tos = [mail["To"] for mail in await library.mails()]
        assert tos == ["ann@example.org", "bob@example.org"]  # each exactly once


async def test_sending_stops_while_an_email_is_queued(library: Library) -> None:
    for number in range(20):
        library.start_sending()
        await asyncio.sleep(0)
        await library.emails.send_already_registered(f"user{number}@example.org")
        async with asyncio.timeout(DEADLINE_SECONDS):
            await library.stop_sending()


async def test_an_expired_claim_is_taken_over(library: Library) -> None:
    await library.account()
    (queued_email,) = await library.stores.emails.find({})
    assert await library.stores.emails.replace(replace(queued_email, due_time=library.clock.time + 120))
    assert not await library.stores.emails.replace(replace(queued_email, due_time=0.0))  # claimed
    assert await library.mails() == []
    library.clock.time += 121
    (mail,) = await library.mails()
    assert mail["To"] == "ann@example.org"


async def test_an_email_waits_while_the_store_fails(library: Library) -> None:
    await library.account()
    away = AppError(Code.UNAVAILABLE, "STORE_UNAVAILABLE", "The document store does not answer.")
    with interrupted(library.identity.store.links, "add", away):
        assert await library.mails() == []
    library.clock.time += 121
    (mail,) = await library.mails()
    assert mail["To"] == "ann@example.org"
    await library.emails.send_already_registered("bob@example.org")
    with interrupted(library.docs, "delete", TypeError("broken")):  # sent, but still queued
        assert len(await library.mails()) == 2
    library.clock.time += DAY
    assert len(await library.mails()) == 2
    assert await library.docs.count("email_queue", {}) == 0


async def test_a_stale_login_link_is_not_sent(library: Library) -> None:
    await library.account()
    await library.mails()
    await library.emails.send_login_link("ann@example.org")
    library.clock.time += LOGIN_LINK_SECONDS
    assert await library.mails("login-link") == []
    await library.emails.send_login_link("ann@example.org")
    assert len(await library.mails("login-link")) == 1


async def test_links_begin_with_the_public_address(tmp_path: Path) -> None:
    async with opened(tmp_path, public_url="https://studio.example/") as library:
        await library.account()
        (mail,) = await library.mails()
        assert "\nhttps://studio.example/users/confirm/" in mail.get_content()


async def test_a_login_link_works_once(library: Library) -> None:
    await confirmed(library)
    await library.request_login(" Ann@example.org")
    secret = await library.secret("login-link")

    async def redeem() -> str:
        try:
            return (await library.email_links.log_in(secret, False))[0]
        except AppError as error:
            return error.reason

    results = await asyncio.gather(*(redeem() for _ in range(5)))
    assert results.count("LINK_INVALID") == 4
    (session,) = set(results) - {"LINK_INVALID"}
    assert (await library.sessions.authenticate(session)).fresh
    assert await library.verify(PASSWORD)


@pytest.mark.parametrize("kind", ["login", "take over", "confirm", "email"])
@pytest.mark.parametrize("step", [("sessions", "add"), ("accounts", "change"), ("links", "replace")])
async def test_a_link_works_again_after_a_failure_of_the_store(
    library: Library, kind: str, step: tuple[str, str]
) -> None:
    await library.account()
    secret = await library.secret("confirmation")
    if kind in ("login", "email"):
        await library.confirm(secret)
    session = await library.log_in()
    if kind == "email":
        await library.email_links.request_change(session, "", "new@example.org", CLIENT_IP)
        secret = await library.secret("email-change")
    elif kind != "confirm":
        await library.email_links.request_login("ann@example.org", CLIENT_IP)
        secret = await library.secret("login-link")

    async def redeem() -> Account:
        if kind in ("login", "take over"):
            opened_session, _ = await library.email_links.log_in(secret, remembered=False)
            return (await library.sessions.authenticate(opened_session)).account
        return (await library.email_links.confirm(secret, "", session))[1]

    away = AppError(Code.UNAVAILABLE, "STORE_UNAVAILABLE", "The document store does not answer.")
    collection = getattr(library.identity.store, step[0])
    with interrupted(collection, step[1], away), contextlib.suppress(AppError):
        await redeem()
        return  # this link does without the step
    assert (await redeem()).confirm_time is not None
    assert await reason(redeem()) == "LINK_INVALID"


async def test_a_login_link_is_valid_for_15_minutes(library: Library) -> None:
    await confirmed(library)
    for seconds, refused in ((899, False), (900, True)):
        await library.request_login()
        secret = await library.secret("login-link")
        library.clock.time += seconds
        if refused:
            assert await reason(library.email_links.log_in(secret, False)) == "LINK_INVALID"
        else:
            assert await library.email_links.log_in(secret, False)


async def test_login_link_request_does_not_reveal_accounts(library: Library) -> None:
    await library.account()
    before = len(await library.mails())
    assert await library.email_links.request_login("nobody@example.org", CLIENT_IP) is None
    assert len(await library.mails()) == before
    assert await library.email_links.request_login("ann@example.org", CLIENT_IP) is None
    assert len(await library.mails()) == before + 1


async def test_emails_to_one_mailbox_are_limited_silently(library: Library) -> None:
    await library.account()
    for n in range(8):
        await library.request_login(address=f"192.0.2.{n}")
    assert len(await library.mails("login-link")) == 5


async def test_link_requests_per_ip_address_are_limited(library: Library) -> None:
    for n in range(30):
        await library.request_login(f"user{n}@example.org")
    assert await reason(library.request_login()) == "RATE_LIMITED"


async def test_a_link_serves_its_own_purpose_only(library: Library) -> None:
    await library.account()
    confirmation = await library.secret("confirmation")
    await library.request_login()
    login = await library.secret("login-link")
    assert await reason(library.email_links.log_in(confirmation, False)) == "LINK_INVALID"
    assert await reason(library.confirm(login)) == "LINK_INVALID"
    assert await library.email_links.log_in(login, False)  # the refusal did not redeem the link


async def test_login_link_revokes_an_unconfirmed_registration(library: Library) -> None:
    """The owner of the mailbox logs in by link, which revokes the password, session and token of the stranger."""
    account = await library.account()
    session, (token, _) = await library.log_in(), await library.tokens.create(account, "mine")
    await library.request_login()
    mine, owner = await library.email_links.log_in(await library.secret("login-link"), False)
    assert (owner.id, owner.confirm_time) == (account.id, library.clock.time)
    assert await reason(library.sessions.authenticate(session)) == "UNAUTHORIZED"
    assert await reason(library.tokens.authenticate(token)) == "UNAUTHORIZED"
    assert await reason(library.verify(PASSWORD)) == "CREDENTIALS_INVALID"
    assert await library.change_password(mine, "", "my own password")


async def test_a_new_password_revokes_earlier_links(library: Library) -> None:
    await confirmed(library)
    session = await library.log_in()
    await library.request_login()
    await library.email_links.request_change(session, "", "eve@example.org", CLIENT_IP)
    login, change = await library.secret("login-link"), await library.secret("email-change")
    await library.change_password(session, "", "a better password")
    assert await reason(library.email_links.log_in(login, False)) == "LINK_INVALID"
    assert await reason(library.confirm(change)) == "LINK_INVALID"


async def test_email_changes_after_confirmation_by_the_new_mailbox(library: Library) -> None:
    await confirmed(library)
    session = await library.log_in()
    await library.email_links.request_change(session, "", "New@example.org", CLIENT_IP)
    assert await library.identity.store.find_account_by_email("new@example.org") is None
    mail = (await library.mails("email-change"))[-1]
    assert mail["To"] == "new@example.org"
    await library.account("eve@example.org")
    for other in (
        "",
        await library.log_in("eve@example.org"),
    ):  # the mailbox alone does not prove who asked for the change
        assert await reason(library.confirm(secret_in(mail), BROWSER, other)) == "SESSION_NEEDED"
    _, account = await library.confirm(secret_in(mail), "", session)
    assert account.email == "new@example.org"
    assert await library.identity.store.find_account_by_email("ann@example.org") is None
    assert await library.verify(PASSWORD, "new@example.org")
    (note,) = await library.mails("email-changed")
    assert note["To"] == "ann@example.org"


async def test_email_change_to_a_taken_address_is_refused(library: Library) -> None:
    await confirmed(library)
    bob = await library.account("bob@example.org")
    session = await library.log_in()
    assert await library.email_links.request_change(session, "", "bob@example.org", CLIENT_IP) is None
    assert await library.mails("email-change") == []
    await library.email_links.request_change(session, "", "late@example.org", CLIENT_IP)
    late = await library.secret("email-change")
    await library.account("late@example.org")
    assert await reason(library.confirm(late, "", session), Code.EXISTS) == "EMAIL_TAKEN"
    assert await library.identity.store.accounts.get(bob.id) == bob
    call = library.email_links.request_change(session, "", "ann@example.org", CLIENT_IP)
    assert await reason(call) == "VALIDATION_ERROR"


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
        async with opened(tmp_path, smtp_url=sink.url, mail_from="studio@example.org") as library:
            await library.account()
            library.start_sending()
            (mail,) = await asyncio.to_thread(sink.await_mails, 1)
            assert (mail.sender, mail.recipients) == ("studio@example.org", ("ann@example.org",))
            _, account = await library.confirm(secret_in(mail.message))
            assert account.confirm_time


SMTP_URLS = ("smtp://mail.example", "smtp://user:p%40ss@mail.example:2525", "smtps://user:pw@mail.example/")
NOT_SMTP = ("http://mail.example", "smtp://", "smtp://mail.example:x", "smtp://mail.example/path", "mail.example:25")


@pytest.mark.parametrize(("url", "fits"), [*((url, True) for url in SMTP_URLS), *((url, False) for url in NOT_SMTP)])
def test_smtp_urls(monkeypatch: pytest.MonkeyPatch, url: str, fits: bool) -> None:
    assert (smtp_url_error(url) == "") is fits
    monkeypatch.setenv("SOUNDWRIGHT_SMTP_URL", url)
    if fits:
        assert load(LibrarySettings).smtp_url.get_secret_value() == url
        assert "p%40ss" not in repr(load(LibrarySettings))
    else:
        with pytest.raises(SettingsError, match=r"SOUNDWRIGHT_SMTP_URL: .*must be smtp://"):
            load(LibrarySettings)
