"""The streams and consumers in JetStream, and how a change of their configuration is applied."""

from typing import Any

from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, BadRequestError, NotFoundError

from soundwright.kit import errors
from soundwright.kit.log import get_logger

COMMAND_STREAM = "SOUNDWRIGHT_CMD"
_STREAMS: dict[str, dict[str, Any]] = {
    COMMAND_STREAM: {
        "subjects": ["soundwright.cmd.>"],
        "retention": RetentionPolicy.WORK_QUEUE,
        "storage": StorageType.FILE,
        "discard": DiscardPolicy.NEW,
        "duplicate_window": 120,
        "max_msgs": 1_000_000,
    },
    "SOUNDWRIGHT_EVT": {
        "subjects": ["soundwright.evt.>"],
        "retention": RetentionPolicy.LIMITS,
        "storage": StorageType.FILE,
        "discard": DiscardPolicy.OLD,
        "duplicate_window": 120,
        "max_age": 3600,
        "max_bytes": 256 * 1024**2,
    },
    "SOUNDWRIGHT_COUNT": {
        "subjects": ["soundwright.count.*"],
        "retention": RetentionPolicy.LIMITS,
        "storage": StorageType.MEMORY,
        "discard": DiscardPolicy.OLD,
        "duplicate_window": 1,
        "max_age": 120,
        "max_msgs": 100_000,
        "max_msgs_per_subject": 1,
        "allow_msg_counter": True,  # a message adds to its subject, and the broker returns the sum
    },
}
_NAME_TAKEN = 10058
log = get_logger()


async def prepare_streams(js: JetStreamContext, replica_count: int, *, update: bool) -> None:
    """Create the streams that are missing.

    Args:
        update: bring the others to the current configuration. They keep their messages.

    Raises ``STREAM_INCOMPATIBLE`` if the broker cannot change a stream in place.
    """
    for name, settings in _STREAMS.items():
        wanted = {"num_replicas": replica_count, **settings}
        found = await _find_or_create(js, StreamConfig(name=name, **wanted))
        changes = {field: value for field, value in wanted.items() if value != getattr(found, field)}
        if update and changes:
            await _update(js, found.evolve(**changes), list(changes))


async def _find_or_create(js: JetStreamContext, stream: StreamConfig) -> StreamConfig:
    try:
        return (await js.stream_info(str(stream.name))).config
    except NotFoundError:
        pass
    try:
        return (await js.add_stream(stream)).config
    except BadRequestError as error:
        if error.err_code != _NAME_TAKEN:
            raise
    return (await js.stream_info(str(stream.name))).config  # another component has just created it


async def _update(js: JetStreamContext, stream: StreamConfig, changes: list[str]) -> None:
    try:
        await js.update_stream(stream)
    except APIError as error:
        raise errors.STREAM_INCOMPATIBLE(
            changes=", ".join(changes), stream=stream.name, why=error.description
        ) from error
    log.info("broker.stream_updated", stream=stream.name, changes=changes)


async def create_consumer(js: JetStreamContext, durable: str, subject: str, ack_wait_seconds: float) -> None:
    """Create a durable pull consumer, or bring it to this configuration. It has as many replicas as its stream."""
    await js.add_consumer(
        COMMAND_STREAM,
        ConsumerConfig(
            name=durable,
            durable_name=durable,
            filter_subject=subject,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ack_wait_seconds,
            max_deliver=-1,  # the ledger limits the attempts
        ),
    )
