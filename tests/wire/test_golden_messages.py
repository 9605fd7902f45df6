"""What lies on the bus outlives a release: old bytes must read the same for ever, and new ones must not differ."""

import pytest
from google.protobuf.message import Message

from soundwright.library.v1 import command_pb2, events_pb2, job_pb2

GOLDEN = [
    (
        command_pb2.RunJob(job_id="7b0d2f0e-6c1a-4a51-9d36-5f0f3c7f1f11"),
        "0a2437623064326630652d366331612d346135312d396433362d356630663363376631663131",
    ),
    (
        events_pb2.JobProgressed(
            job_id="j1", owner_id="anon:1", kind=job_pb2.JOB_KIND_PIPELINE, progress_ratio=0.5,
            progress_message="Stage 2 of 4", attempt=3,
        ),
        "0a026a311206616e6f6e3a31180521000000000000e03f2a0c53746167652032206f6620343003",
    ),
    (
        events_pb2.JobFinished(
            job_id="j1", owner_id="ann", kind=job_pb2.JOB_KIND_SEPARATION, state=job_pb2.JOB_STATE_FAILED,
            track_id="t1", error=job_pb2.JobError(reason="AUDIO_INVALID", message="Größe"),
        ),
        "0a026a311203616e6e180220042a02743132180a0d415544494f5f494e56414c494412074772c3b6c39f65",
    ),
    (
        events_pb2.JobFinished(
            job_id="j1", owner_id="ann", kind=job_pb2.JOB_KIND_GENERATION, state=job_pb2.JOB_STATE_SUCCEEDED
        ),
        "0a026a311203616e6e18042003",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("message", "golden"), GOLDEN, ids=[type(message).__name__ for message, _ in GOLDEN])
def test_golden_bytes(message: Message, golden: str) -> None:
    assert message.SerializeToString(deterministic=True).hex() == golden
    assert type(message).FromString(bytes.fromhex(golden)) == message


def test_a_field_that_a_later_release_adds_is_no_obstacle() -> None:
    later = bytes.fromhex("0a026a31") + bytes.fromhex("ba3e03616263")  # field 999, a text
    assert command_pb2.RunJob.FromString(later).job_id == "j1"
