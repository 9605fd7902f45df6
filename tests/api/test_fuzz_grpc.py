"""Hostile messages to every RPC of every running component. ``make fuzz`` runs the long form."""

from __future__ import annotations

import logging
import random
from collections import Counter
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from grpc_calls import METHODS, address, component_of, outcome
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.stacks import Stack

SEED = 14
TEXTS = ["", "x", "../../etc/passwd", "http://127.0.0.2:9/", "\0", "\x1b[2J", "<script>", "9" * 5000, "ß🎸" * 900, " "]
NUMBERS = [0, 1, -1, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63)]
FLOATS = [0.0, -1.0, 1e308, float("nan"), float("inf"), 5e-324]
log = logging.getLogger(__name__)


def hostile_message(descriptor: Descriptor, chance: random.Random, depth: int = 0) -> Message:
    """Return a message that the contract allows, with extreme values in some of its fields."""
    message: Message = descriptor._concrete_class()
    for each in descriptor.fields:
        if chance.random() < 0.3:
            continue
        if each.message_type is not None and each.message_type.GetOptions().map_entry:
            continue
        # A message of messages would exceed the limit of a call.
        count = chance.choice([1, 3, 3 if depth else 200]) if each.is_repeated else 1
        values = [_hostile_value(each, chance, depth) for _ in range(count if depth < 3 else 0)]
        for value in values:
            if each.is_repeated and each.message_type is None:
                getattr(message, each.name).append(value)
            elif each.is_repeated:
                getattr(message, each.name).add().CopyFrom(value)
            elif each.message_type is not None:
                getattr(message, each.name).CopyFrom(value)
            else:
                setattr(message, each.name, value)
    return message


def _hostile_value(each: FieldDescriptor, chance: random.Random, depth: int) -> Any:
    kinds = FieldDescriptor
    match each.cpp_type:
        case kinds.CPPTYPE_MESSAGE:
            return hostile_message(each.message_type, chance, depth + 1)
        case kinds.CPPTYPE_STRING:
            return chance.randbytes(99) if each.type == kinds.TYPE_BYTES else chance.choice(TEXTS)
        case kinds.CPPTYPE_BOOL:
            return chance.random() < 0.5
        case kinds.CPPTYPE_ENUM:
            return chance.choice([0, 1, 2, 9999, -1])
        case kinds.CPPTYPE_DOUBLE | kinds.CPPTYPE_FLOAT:
            return chance.choice(FLOATS)
        case _:
            low, high = {
                kinds.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
                kinds.CPPTYPE_UINT32: (0, 2**32 - 1),
                kinds.CPPTYPE_UINT64: (0, 2**64 - 1),
            }.get(each.cpp_type, (-(2**63), 2**63 - 1))
            return min(max(chance.choice(NUMBERS), low), high)


def payloads(method: MethodDescriptor, chance: random.Random, count: int) -> list[bytes]:
    messages = [hostile_message(method.input_type, chance).SerializeToString() for _ in range(count)]
    broken = [bytes(byte ^ (chance.random() < 0.05) * chance.randrange(256) for byte in each) for each in messages]
    return [b"", chance.randbytes(500), b"\xff" * 100_000, *messages, *broken]


@pytest.mark.usefixtures("nothing_crashes")
@pytest.mark.parametrize("count", [2, pytest.param(60, marks=pytest.mark.campaign)])
async def test_every_rpc_refuses_hostile_calls_by_name(stack: Stack, count: int) -> None:
    token = stack.create_account(f"fuzz-{count}@example.org")
    own = (("authorization", f"Bearer {token}"),)
    problems, outcomes = [], Counter[str]()
    chance = random.Random(SEED)
    for component in sorted({component_of(method) for method in METHODS}):
        async with grpc.aio.insecure_channel(address(stack, component)) as channel:
            for method in [each for each in METHODS if component_of(each) == component]:
                noise = (("soundwright-principal", "a.b.c"),), (("authorization", "\x7e" * 3000),)
                calls = [(metadata, chance.randbytes(50)) for metadata in noise]
                calls += [(own, payload) for payload in payloads(method, chance, count)]
                for metadata, payload in calls:
                    found = await outcome(channel, method, payload, metadata)
                    outcomes[found if found.isupper() else "without a reason"] += 1
                    named = found.replace("_", "").isalnum() and found != "INTERNAL"
                    if not named or (metadata in noise and found == "OK"):
                        problems.append(f"{method.full_name}: {found}; {payload[:60]!r}")
            health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
            assert health.status == health_pb2.HealthCheckResponse.SERVING, component
    log.info("%d calls of %d RPCs: %s", outcomes.total(), len(METHODS), outcomes)
    assert not problems, "\n".join(problems[:100])
