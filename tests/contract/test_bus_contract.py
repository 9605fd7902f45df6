"""What every bus promises (soundwright.kit.ports.Bus), against a real broker."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import nats
import pytest
import pytest_asyncio
import structlog

from soundwright.kit.adapters.nats.bus import NatsBus
from soundwright.kit.errors import AppError, Code
from soundwright.kit.ports import Bus, Consumer, Delivery
from tests.servers.nats import NatsServer
from tests.waiting import DEADLINE_SECONDS, until

ACK_WAIT_SECONDS = 1.0
LONG_SECONDS = 60.0

Connect = Callable[[], Awaitable[Bus]]


class Events:
    """What a listener heard."""

    def __init__(self) -> None:
        self.events: list[tuple[str, bytes]] = []

    def __call__(self, subject: str, payload: bytes) -> None:
        self.events.append((subject, payload))

    async def until(self, count: int) -> None:
        await until(lambda: len(self.events) >= count, f"{count} events are heard")


class Queue:
    """A subject and a durable name that no other test uses."""

    def __init__(self) -> None:
        self.name = f"test{uuid.uuid4().hex[:12]}"
        self.subject = f"soundwright.cmd.{self.name}.v1.job.run"

    async def send(self, bus: Bus, *texts: str) -> None:
        for text in texts:
            await bus.publish(self.subject, text.encode(), message_id=f"{self.name}.{text}")

    async def join(self, bus: Bus, ack_wait_seconds: float = LONG_SECONDS) -> Consumer:
        return await bus.consumer(self.name, self.subject, ack_wait_seconds=ack_wait_seconds)


async def take(consumer: Consumer) -> Delivery:
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await consumer.next()


async def take_text(consumer: Consumer) -> str:
    delivery = await take(consumer)
    await delivery.ack()
    return delivery.payload.decode()


@pytest.fixture
def connect(nats_server: NatsServer, open_bus: Callable[[str], Awaitable[Bus]]) -> Connect:
    """Open another connection to the broker."""
    return lambda: open_bus(nats_server.url)


@pytest_asyncio.fixture
async def breakable(own_nats: NatsServer, open_bus: Callable[..., Awaitable[Bus]]) -> tuple[NatsServer, Connect]:
    """A broker that the test may kill, and connections to it."""
    await own_nats.start()
    return own_nats, lambda: open_bus(own_nats.url, request_seconds=0.5)


@pytest_asyncio.fixture
async def bus(connect: Connect) -> Bus:
    return await connect()


@pytest.fixture
def queue() -> Queue:
    return Queue()


# ------------------------------------------------------------------------------------------------- delivery


async def test_a_message_arrives_with_its_headers_and_is_gone_when_acknowledged(bus: Bus, queue: Queue) -> None:
    consumer = await queue.join(bus, ACK_WAIT_SECONDS)
    subject = queue.subject
    await bus.publish(subject, b"\x00\xff1", message_id="m1" + queue.name, headers={"soundwright-x": "y"})
    delivery = await take(consumer)
    assert delivery.payload == b"\x00\xff1"
    assert delivery.headers["soundwright-x"] == "y"
    assert await bus.backlog(subject) == 1
    await delivery.ack()
    assert await bus.backlog(subject) == 0
    await queue.send(bus, "later")
    assert await take_text(consumer) == "later"


async def test_a_message_id_is_taken_once(bus: Bus, queue: Queue) -> None:
    await queue.send(bus, "same", "same", "same", "other")
    assert await bus.backlog(queue.subject) == 2
    consumer = await queue.join(bus)
    assert [await take_text(consumer) for _ in range(2)] == ["same", "other"]
    await queue.send(bus, "same", "last")  # nor again after it was worked on
    assert await take_text(consumer) == "last"


async def test_nak_brings_it_back(bus: Bus, queue: Queue) -> None:
    consumer = await queue.join(bus)
    await queue.send(bus, "again")
    await (await take(consumer)).nak(0.0)
    await (await take(consumer)).nak(0.3)
    assert await bus.backlog(queue.subject) == 1
    assert await take_text(consumer) == "again"
    assert await bus.backlog(queue.subject) == 0


async def test_nak_with_a_delay_lets_others_go_first(bus: Bus, queue: Queue) -> None:
    consumer = await queue.join(bus)
    await queue.send(bus, "patient", "quick 1", "quick 2")
    await (await take(consumer)).nak(2.0)
    assert [await take_text(consumer) for _ in range(3)] == ["quick 1", "quick 2", "patient"]


async def test_term_means_never_again(bus: Bus, queue: Queue) -> None:
    consumer = await queue.join(bus, ACK_WAIT_SECONDS)
    await queue.send(bus, "poison")
    await (await take(consumer)).term()
    assert await bus.backlog(queue.subject) == 0
    await queue.send(bus, "marker")
    late = await take(consumer)
    assert late.payload == b"marker"
    # Left alone, the marker comes again once its time is over; the poison's time is over then as well.
    assert await take_text(consumer) == "marker"


async def test_in_progress_restarts_the_time(bus: Bus, queue: Queue) -> None:
    consumer = await queue.join(bus, ACK_WAIT_SECONDS)
    await queue.send(bus, "kept", "left")
    kept, left = await take(consumer), await take(consumer)
    assert (kept.payload, left.payload) == (b"kept", b"left")
    for _ in range(2):  # twice the time passes, by the broker's own clock
        again = asyncio.create_task(take(consumer))
        while not again.done():
            await kept.in_progress()
            await asyncio.wait({again}, timeout=ACK_WAIT_SECONDS / 10)
        assert again.result().payload == b"left"
    await kept.ack()
    await again.result().ack()
    assert await bus.backlog(queue.subject) == 0


# --------------------------------------------------------------------------------------------------------- events


async def test_every_listener_hears_what_its_pattern_covers_in_the_order_of_sending(
    connect: Connect, queue: Queue
) -> None:
    buses = [await connect(), await connect()]
    place = f"soundwright.evt.{queue.name}"
    heard: list[Events] = [Events(), Events(), Events()]
    await buses[0].subscribe(f"{place}.>", heard[0])
    await buses[1].subscribe(f"{place}.>", heard[1])
    await buses[1].subscribe(f"{place}.*.done", heard[2])
    sent = [(f"{place}.job.{word}", bytes([number])) for number, word in enumerate(["begun", "done"] * 20)]
    for number, (subject, payload) in enumerate(sent):
        if number % 2:
            await buses[0].publish(subject, payload, message_id=f"{queue.name}.{number}")
        else:
            await buses[0].publish_transient(subject, payload)
    await heard[0].until(len(sent))
    await heard[1].until(len(sent))
    assert heard[0].events == heard[1].events == sent
    await heard[2].until(20)
    assert heard[2].events == sent[1::2]


async def test_a_listener_hears_everything_from_the_moment_it_was_let_in(connect: Connect, queue: Queue) -> None:
    speaker, hearer = await connect(), await connect()
    for number in range(300):  # what comes too late by a hair does so now and then only
        subject, heard = f"soundwright.evt.{queue.name}.{number}.job", Events()
        others = [await hearer.subscribe(f"{subject}.{word}", Events()) for word in ("begun", "done")]
        subscription = await hearer.subscribe(f"{subject}.*", heard)
        await speaker.publish_transient(f"{subject}.told", b"")
        await heard.until(1)
        for closing in (*others, subscription):
            await closing.close()


async def test_a_listener_hears_nothing_of_before_and_nothing_after_it_closed(bus: Bus, queue: Queue) -> None:
    subject = f"soundwright.evt.{queue.name}.job"
    await bus.publish_transient(subject, b"before")
    first, second = Events(), Events()
    closing = await bus.subscribe(subject, first)
    await bus.subscribe(subject, second)
    await bus.publish_transient(subject, b"now")
    await first.until(1)
    await closing.close()
    await bus.publish_transient(subject, b"after")
    await second.until(2)
    assert [payload for _, payload in first.events] == [b"now"]
    assert [payload for _, payload in second.events] == [b"now", b"after"]


async def test_a_listener_that_fails_hears_the_next_one(bus: Bus, queue: Queue) -> None:
    subject = f"soundwright.evt.{queue.name}.job"
    heard = Events()

    def listen(subject: str, payload: bytes) -> None:
        heard(subject, payload)
        raise ValueError("as it happens")

    await bus.subscribe(subject, listen)
    with structlog.testing.capture_logs() as log:
        await bus.publish_transient(subject, b"1")
        await bus.publish_transient(subject, b"2")
        await heard.until(2)
    assert [(entry["event"], entry["subject"]) for entry in log] == [("broker.listener_failed", subject)] * 2


async def test_a_subscription_outlives_the_broker(breakable: tuple[NatsServer, Connect], queue: Queue) -> None:
    broker, connect = breakable
    bus = await connect()
    subject = f"soundwright.evt.{queue.name}.job"
    heard = Events()
    await bus.subscribe(subject, heard)
    broker.kill()
    late = Events()
    await bus.subscribe(subject, late)  # while the broker is away
    await broker.start()

    async def both_heard() -> bool:
        await bus.publish_transient(subject, b"again")
        return bool(heard.events and late.events)

    await until(both_heard)
    assert heard.events[0] == late.events[0] == (subject, b"again")


# ----------------------------------------------------------------------------------------------- several workers


async def test_two_workers_never_get_the_same_message(connect: Connect, queue: Queue) -> None:
    buses = [await connect(), await connect()]
    consumers = [await queue.join(bus) for bus in buses]
    sent = [str(number) for number in range(60)]
    got: list[str] = []

    async def work(consumer: Consumer) -> None:
        while len(got) < len(sent):
            delivery = await consumer.next()
            got.append(delivery.payload.decode())
            await delivery.ack()

    tasks = [asyncio.create_task(work(consumer)) for consumer in consumers * 2]
    for text in sent:
        await queue.send(buses[0], text)
    async with asyncio.timeout(DEADLINE_SECONDS):
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(got, key=int) == sent


async def test_a_dead_workers_message_goes_to_another(connect: Connect, queue: Queue) -> None:
    dying, living = await connect(), await connect()
    await queue.send(dying, "orphan")
    await take(await queue.join(dying, ACK_WAIT_SECONDS))
    await dying.close()
    assert await take_text(await queue.join(living, ACK_WAIT_SECONDS)) == "orphan"


async def test_cancelling_the_wait_loses_nothing(bus: Bus, queue: Queue) -> None:
    consumer = await queue.join(bus, ACK_WAIT_SECONDS)
    sent = {str(number) for number in range(24)}
    got: set[str] = set()
    for turn, text in enumerate(sorted(sent)):
        waiting = asyncio.create_task(consumer.next())
        sending = asyncio.create_task(queue.send(bus, text))
        for _ in range(turn):
            await asyncio.sleep(0)
        await asyncio.wait({sending} if turn % 2 else {sending, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.cancel():  # somewhere in the midst of taking it
            outcome = (await asyncio.gather(waiting, return_exceptions=True))[0]
            assert isinstance(outcome, asyncio.CancelledError)
        else:
            await waiting.result().ack()
            got.add(waiting.result().payload.decode())
        await sending
    while got != sent:
        got.add(await take_text(consumer))
    assert await bus.backlog(queue.subject) == 0


async def test_a_consumer_that_is_closed_leaves_its_message_to_others(connect: Connect, queue: Queue) -> None:
    leaving, staying = [await queue.join(await connect()) for _ in range(2)]
    waiting = asyncio.create_task(leaving.next())
    await asyncio.wait((waiting,), timeout=0.05)  # it has asked the broker
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await queue.send(await connect(), "1")  # the broker may give it to the one that has asked
    await leaving.close()
    assert await take_text(staying) == "1"


async def test_backlog_counts_waiting_and_taken(bus: Bus, queue: Queue) -> None:
    assert await bus.backlog(queue.subject) == 0
    await queue.send(bus, "1", "2", "3")
    assert await bus.backlog(queue.subject) == 3
    consumer = await queue.join(bus)
    held = [await take(consumer) for _ in range(3)]
    assert [one.payload for one in held] == [b"1", b"2", b"3"]  # the oldest first
    assert await bus.backlog(queue.subject) == 3
    await held[0].ack()
    assert await bus.backlog(queue.subject) == 2


# ---------------------------------------------------------------------------------------------------- counters


async def test_concurrent_increments_of_two_processes_get_different_sums(connect: Connect) -> None:
    buses, counter = [await connect(), await connect()], uuid.uuid4().hex
    sums = await asyncio.gather(*(buses[number % 2].increment(counter) for number in range(400)))
    assert sorted(sums) == list(range(1, 401))
    assert await buses[0].increment(counter, 10) == 410
    assert await buses[1].increment(uuid.uuid4().hex) == 1


# ----------------------------------------------------------------------------------------------------- outages


async def test_without_the_broker_an_increment_is_refused_and_counters_work_again_later(
    breakable: tuple[NatsServer, Connect],
) -> None:
    broker, connect = breakable
    bus = await connect()
    assert await bus.increment("c") == 1
    broker.kill()
    assert await _reason(bus.increment("c")) == "BROKER_UNAVAILABLE"
    await broker.start()
    await until(lambda: _succeeds(bus.increment("c")), "the driver reconnects")


async def test_a_broker_that_is_killed_and_comes_back_has_lost_nothing(
    breakable: tuple[NatsServer, Connect], queue: Queue
) -> None:
    broker, connect = breakable
    bus = await connect()
    consumer = await queue.join(bus, ACK_WAIT_SECONDS)
    await queue.send(bus, "held")
    await take(consumer)
    await queue.send(bus, "waiting")
    broker.kill()
    reasons = await asyncio.gather(_reason(queue.send(bus, "during")), _reason(bus.backlog(queue.subject)))
    assert reasons == ["BROKER_UNAVAILABLE"] * 2
    assert await _reason(bus.check()) == "BROKER_UNAVAILABLE"
    await bus.publish_transient(f"soundwright.evt.{queue.name}", b"may be lost")
    waiting = asyncio.create_task(take(consumer))
    await broker.start()
    first = await waiting
    await first.ack()
    await _until_sent(queue, bus, "during")
    await _until_sent(queue, bus, "after")
    rest = {await take_text(consumer) for _ in range(3)}
    assert {first.payload.decode(), *rest} == {"held", "waiting", "during", "after"}
    await until(lambda: _succeeds(bus.check()), "the driver reconnects")


async def test_a_broker_that_lost_its_store_gets_its_queues_anew(
    breakable: tuple[NatsServer, Connect], queue: Queue
) -> None:
    broker, connect = breakable
    bus = await connect()
    consumer = await queue.join(bus, ACK_WAIT_SECONDS)
    broker.kill()
    broker.wipe()
    await broker.start()
    await connect()  # any component that starts brings the streams back
    for text in ("new life", "new tune", "another"):
        await _until_sent(queue, bus, text)
    assert {await take_text(consumer) for _ in range(3)} == {"new life", "new tune", "another"}


async def _reason(call: Awaitable[Any]) -> str:
    with pytest.raises(AppError) as refusal:
        await call
    assert refusal.value.code is Code.UNAVAILABLE
    return refusal.value.reason


async def _succeeds(call: Awaitable[Any]) -> bool:
    try:
        await call
    except AppError:  # the connection is being made anew
        return False
    return True


async def _until_sent(queue: Queue, bus: Bus, text: str) -> None:
    await until(lambda: _succeeds(queue.send(bus, text)), "the message is sent")


async def test_idle_takers_have_one_request_at_the_broker_and_it_brings_the_message(
    bus: NatsBus, nats_server: NatsServer, queue: Queue
) -> None:
    consumer = await queue.join(bus)
    asked: list[str] = []
    client = await nats.connect(nats_server.url)

    async def hear(message: Any) -> None:
        asked.append(message.subject)

    await client.subscribe("$JS.API.>", cb=hear)
    await client.flush()
    idle = [asyncio.create_task(consumer.next()) for _ in range(4)]
    await until(lambda: len(asked) == 1)
    await queue.send(bus, "1")
    done, waiting = await asyncio.wait(idle, return_when=asyncio.FIRST_COMPLETED, timeout=DEADLINE_SECONDS)
    assert [task.result().payload for task in done] == [b"1"]
    await until(lambda: len(asked) == 2)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await client.close()
    assert set(asked) == {f"$JS.API.CONSUMER.MSG.NEXT.SOUNDWRIGHT_CMD.{queue.name}"}


async def test_connecting_waits_for_a_broker_that_is_still_starting(
    own_nats: NatsServer, open_bus: Callable[[str], Awaitable[Bus]]
) -> None:
    connecting = asyncio.create_task(open_bus(own_nats.url))
    await own_nats.start()
    await (await connecting).check()


async def test_events_reach_whoever_listens_and_a_repetition_is_not_stored(
    bus: NatsBus, nats_server: NatsServer, queue: Queue
) -> None:
    client = await nats.connect(nats_server.url)
    subject = f"soundwright.evt.{queue.name}.v1.job.succeeded"
    heard = await client.subscribe(subject)
    await client.flush()
    await bus.publish(subject, b"fact", message_id=f"{queue.name}.succeeded")
    await bus.publish(subject, b"fact", message_id=f"{queue.name}.succeeded")
    await bus.publish_transient(subject, b"progress")
    assert (await heard.next_msg(DEADLINE_SECONDS)).data == b"fact"
    state = await client.jetstream().stream_info("SOUNDWRIGHT_EVT", subjects_filter=subject)
    assert (state.state.subjects or {})[subject] >= 1
    await client.close()
