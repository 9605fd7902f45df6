"""Links in mails, and how mails leave."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest
from accounts_world import HERE, PASSWORD, World, refused, secret_in, world_in
from structlog.testing import capture_logs

from kit.errors import AppError, Code
from kit.settings import SettingsError, load
from services.library.letters import LOGIN_LINK_SECONDS
from services.library.outbox import FolderCarrier, SmtpCarrier, smtp_problem
from services.library.settings import LibrarySettings
from tests.simulators.smtp import SmtpSink


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_in(tmp_path) as built:
        yield built


async def confirmed(world: World) -> None:
    await world.account()
    await world.people.mailboxes.confirm(await world.secret("confirmation"))


async def test_a_confirmation_is_for_the_address_it_was_sent_to(world: World) -> None:
    await world.account()
    secret = await world.secret("confirmation")
    world.clock.time += 5
    account = await world.people.mailboxes.confirm(secret)
    assert (account.email, account.confirm_time) == ("ann@example.org", world.clock.time)
    with refused("LINK_INVALID", Code.NOT_FOUND):
        await world.people.mailboxes.confirm(secret)


async def test_mails_without_a_server_lie_in_a_folder_for_the_operator_alone(world: World) -> None:
    with capture_logs() as logs:
        await world.account()
        secret = await world.secret("confirmation")
    (path,) = world.outbox.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(world.outbox.stat().st_mode) == 0o700
    assert secret in path.read_text()
    kept = [entry for entry in logs if entry["event"] == "mail.kept"]
    assert [(entry["kind"], entry["file"]) for entry in kept] == [("confirmation", path.name)]
    assert secret not in repr(logs)


async def test_mails_survive_the_process(tmp_path: Path) -> None:
    async with world_in(tmp_path) as world:
        world.sending.cancel()  # before it has sent anything
        await asyncio.gather(world.sending, return_exceptions=True)
        await world.account()
        assert not world.outbox.exists()
    async with world_in(tmp_path) as world:
        (mail,) = await world.mails()
        assert mail["To"] == "ann@example.org"
        await world.people.mailboxes.confirm(secret_in(mail))
    async with world_in(tmp_path) as world:
        await world.people.letters.registered_already("bob@example.org")
        assert [mail["To"] for mail in await world.mails()] == ["ann@example.org", "bob@example.org"]  # each once


async def test_what_sends_mails_stops_even_when_one_comes_up_in_that_moment(world: World) -> None:
    for number in range(20):
        await world.mails()  # it waits for more
        await asyncio.sleep(0)
        await world.people.letters.registered_already(f"user{number}@example.org")
        world.sending.cancel()
        async with asyncio.timeout(10):
            await asyncio.gather(world.sending, return_exceptions=True)
        world.send()


async def test_a_mail_whose_sender_was_lost_is_sent_by_another(world: World) -> None:
    world.sending.cancel()
    await asyncio.gather(world.sending, return_exceptions=True)
    await world.account()
    (letter,) = await world.people.store.due_letters(world.clock.time, 10)
    assert await world.people.store.replace_letter(replace(letter, due_time=world.clock.time + 120))
    assert not await world.people.store.replace_letter(replace(letter, due_time=0.0))  # it is taken
    assert await world.people.store.due_letters(world.clock.time, 10) == []
    world.clock.time += 121
    world.send()
    (mail,) = await world.mails()
    assert mail["To"] == "ann@example.org"


async def test_a_link_to_log_in_is_not_sent_when_nobody_waits_for_it_any_more(world: World) -> None:
    await world.account()
    await world.mails()
    world.sending.cancel()
    await asyncio.gather(world.sending, return_exceptions=True)
    await world.people.letters.login_link("ann@example.org")
    world.clock.time += LOGIN_LINK_SECONDS
    world.send()
    assert await world.mails("login-link") == []
    await world.people.letters.login_link("ann@example.org")
    assert len(await world.mails("login-link")) == 1


async def test_links_begin_with_the_public_address(tmp_path: Path) -> None:
    async with world_in(tmp_path, public_url="https://studio.example/") as world:
        await world.account()
        (mail,) = await world.mails()
        assert "\nhttps://studio.example/users/confirm/" in mail.get_content()


async def test_a_login_link_works_once(world: World) -> None:
    await confirmed(world)
    await world.people.mailboxes.request_login(" Ann@example.org", HERE)
    secret = await world.secret("login-link")

    async def redeem() -> str:
        try:
            return (await world.people.mailboxes.log_in(secret, False))[0]
        except AppError as error:
            return error.reason

    results = await asyncio.gather(*(redeem() for _ in range(5)))
    assert sorted(results)[:4] == ["LINK_INVALID"] * 4 or results.count("LINK_INVALID") == 4
    (session,) = set(results) - {"LINK_INVALID"}
    assert (await world.people.sessions.authenticate(session)).fresh
    assert await world.people.accounts.verify("ann@example.org", PASSWORD, HERE)


async def test_a_login_link_is_valid_for_15_minutes(world: World) -> None:
    await confirmed(world)
    for seconds, reason in ((899, ""), (900, "LINK_INVALID")):
        await world.people.mailboxes.request_login("ann@example.org", HERE)
        secret = await world.secret("login-link")
        world.clock.time += seconds
        if reason:
            with refused(reason):
                await world.people.mailboxes.log_in(secret, False)
        else:
            assert await world.people.mailboxes.log_in(secret, False)


async def test_nobody_is_told_whether_there_is_an_account(world: World) -> None:
    await world.account()
    before = len(await world.mails())
    assert await world.people.mailboxes.request_login("nobody@example.org", HERE) is None
    assert len(await world.mails()) == before
    assert await world.people.mailboxes.request_login("ann@example.org", HERE) is None
    assert len(await world.mails()) == before + 1


async def test_a_mailbox_is_not_flooded_and_nobody_can_tell(world: World) -> None:
    await world.account()
    for n in range(8):
        await world.people.mailboxes.request_login("ann@example.org", f"192.0.2.{n}")
    assert len(await world.mails("login-link")) == 5


async def test_one_address_asks_for_so_many_links(world: World) -> None:
    for n in range(30):
        await world.people.mailboxes.request_login(f"user{n}@example.org", HERE)
    with refused("RATE_LIMITED"):
        await world.people.mailboxes.request_login("ann@example.org", HERE)


async def test_one_kind_of_link_is_no_other(world: World) -> None:
    await world.account()
    confirmation = await world.secret("confirmation")
    await world.people.mailboxes.request_login("ann@example.org", HERE)
    login = await world.secret("login-link")
    with refused("LINK_INVALID"):
        await world.people.mailboxes.log_in(confirmation, False)
    with refused("LINK_INVALID"):
        await world.people.mailboxes.confirm(login)
    assert await world.people.mailboxes.log_in(login, False)  # it was not used up


async def test_who_registers_with_somebody_elses_address_keeps_nothing(world: World) -> None:
    """Whoever has the mailbox comes in by a link; the password, session and token of the other are gone."""
    account = await world.account()
    session, (token, _) = await world.log_in(), await world.people.tokens.create(account, "mine")
    await world.people.mailboxes.request_login("ann@example.org", HERE)
    mine, owner = await world.people.mailboxes.log_in(await world.secret("login-link"), False)
    assert (owner.id, owner.confirm_time) == (account.id, world.clock.time)
    with refused("UNAUTHORIZED"):
        await world.people.sessions.authenticate(session)
    with refused("UNAUTHORIZED"):
        await world.people.tokens.authenticate(token)
    with refused("CREDENTIALS_INVALID"):
        await world.people.accounts.verify("ann@example.org", PASSWORD, HERE)
    assert await world.people.accounts.change_password(mine, "", "my own password", False, HERE)


async def test_a_new_password_ends_links_that_were_asked_for_before(world: World) -> None:
    await confirmed(world)
    session = await world.log_in()
    await world.people.mailboxes.request_login("ann@example.org", HERE)
    await world.people.mailboxes.request_change(session, "", "eve@example.org", HERE)
    login, change = await world.secret("login-link"), await world.secret("email-change")
    await world.people.accounts.change_password(session, "", "a better password", False, HERE)
    with refused("LINK_INVALID"):
        await world.people.mailboxes.log_in(login, False)
    with refused("LINK_INVALID"):
        await world.people.mailboxes.confirm(change)


async def test_an_address_changes_when_the_new_mailbox_says_so(world: World) -> None:
    await confirmed(world)
    session = await world.log_in()
    await world.people.mailboxes.request_change(session, "", "New@example.org", HERE)
    assert await world.people.store.account_by_email("new@example.org") is None
    mail = (await world.mails("email-change"))[-1]
    assert mail["To"] == "new@example.org"
    account = await world.people.mailboxes.confirm(secret_in(mail))
    assert account.email == "new@example.org"
    assert await world.people.store.account_by_email("ann@example.org") is None
    assert await world.people.accounts.verify("new@example.org", PASSWORD, HERE)
    (note,) = await world.mails("email-changed")
    assert note["To"] == "ann@example.org"


async def test_an_address_that_is_taken_stays_whose_it_is(world: World) -> None:
    await confirmed(world)
    bob = await world.account("bob@example.org")
    session = await world.log_in()
    assert await world.people.mailboxes.request_change(session, "", "bob@example.org", HERE) is None
    assert await world.mails("email-change") == []
    await world.people.mailboxes.request_change(session, "", "late@example.org", HERE)
    late = await world.secret("email-change")
    await world.account("late@example.org")
    with refused("EMAIL_TAKEN", Code.CONFLICT):
        await world.people.mailboxes.confirm(late)
    assert await world.people.store.account(bob.id) == bob
    with refused("VALIDATION_ERROR"):
        await world.people.mailboxes.request_change(session, "", "ann@example.org", HERE)


def letter(text: str = "Hello.\n.\n..\nÄrger\n") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "soundwright@localhost", "ann@example.org", "Grüße"
    message.set_content(text)
    return message


async def test_a_server_gets_the_mail(tmp_path: Path) -> None:
    with SmtpSink("robot", "p:ss w@rd") as sink:
        url = sink.url.replace("p:ss w@rd", "p%3Ass%20w%40rd")
        await SmtpCarrier(url, FolderCarrier(tmp_path / "outbox")).carry("note", letter())
        (mail,) = sink.await_mails(1)
    assert (mail.sender, mail.recipients, mail.user) == ("soundwright@localhost", ("ann@example.org",), "robot")
    assert mail.message["Subject"] == "Grüße"
    assert mail.message.get_content() == "Hello.\r\n.\r\n..\r\nÄrger\r\n"
    assert not (tmp_path / "outbox").exists()


async def test_a_server_that_refuses_is_asked_again(tmp_path: Path) -> None:
    with SmtpSink(refusals=2) as sink:
        carrier = SmtpCarrier(sink.url, FolderCarrier(tmp_path / "outbox"), pauses_seconds=(0.01, 0.01))
        await carrier.carry("note", letter())
        assert len(sink.await_mails(1)) == 1


@pytest.mark.parametrize("password", ["right", "wrong"])
async def test_what_no_server_takes_is_kept(tmp_path: Path, password: str) -> None:
    with SmtpSink("robot", "right", refusals=9) as sink, capture_logs() as logs:
        url = sink.url.replace("right", password)
        await SmtpCarrier(url, FolderCarrier(tmp_path), pauses_seconds=(0.01,)).carry("note", letter())
        assert sink.mails == []
    assert [path.read_text().count("ann@example.org") for path in tmp_path.iterdir()] == [1]
    assert [entry["event"] for entry in logs] == ["mail.refused", "mail.refused", "mail.kept"]
    assert "robot" not in repr(logs)


async def test_registration_reaches_the_server_that_the_settings_name(tmp_path: Path) -> None:
    with SmtpSink() as sink:
        async with world_in(tmp_path, smtp_url=sink.url, mail_from="studio@example.org") as world:
            await world.account()
            (mail,) = await asyncio.to_thread(sink.await_mails, 1)
            assert (mail.sender, mail.recipients) == ("studio@example.org", ("ann@example.org",))
            assert (await world.people.mailboxes.confirm(secret_in(mail.message))).confirm_time


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
def test_addresses_of_mail_servers(monkeypatch: pytest.MonkeyPatch, url: str, fits: bool) -> None:
    assert (smtp_problem(url) == "") is fits
    monkeypatch.setenv("SOUNDWRIGHT_SMTP_URL", url)
    if fits:
        assert load(LibrarySettings).smtp_url.get_secret_value() == url
        assert "p%40ss" not in repr(load(LibrarySettings))
    else:
        with pytest.raises(SettingsError, match=r"SOUNDWRIGHT_SMTP_URL: .*must be smtp://"):
            load(LibrarySettings)
