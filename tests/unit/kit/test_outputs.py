"""Files that a job makes, in a real folder store."""

import uuid
from pathlib import Path

import pytest

from soundwright.kit.adapters.filesystem.blobs import FileBlobs
from soundwright.kit.errors import AppError, Code
from soundwright.kit.worker.context import JobContext
from soundwright.kit.worker.derived_files import described_key, waveform_file, waveform_key
from soundwright.kit.worker.outputs import JobOutputs, delete_outputs
from soundwright.library.v1 import job_pb2

JOB_ID = "7b0d2f0e-6c1a-4a51-9d36-5f0f3c7f1f11"


def job(attempt: int) -> JobContext:
    return JobContext(job_pb2.Job(id=JOB_ID, attempt=attempt, track_id="t1", owner_id="ann", output_folder="stems"))


def stem(folder: Path, name: str) -> tuple[job_pb2.AudioOutput, Path]:
    path = folder / name
    path.write_bytes(name.encode())
    return job_pb2.AudioOutput(name=name, path=f"sub/{name}.flac", sample_rate_hz=44100), path


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path / "blobs")


async def test_an_output_lies_under_its_attempt_and_is_described(blobs: FileBlobs, tmp_path: Path) -> None:
    async with JobOutputs(blobs, job(2)) as outputs:
        stored = await outputs.put(*stem(tmp_path, "vocals"))
    assert stored == job_pb2.AudioOutput(
        id=str(uuid.uuid5(uuid.UUID(JOB_ID), "vocals")), name="vocals", path="sub/vocals.flac", sample_rate_hz=44100,
        blob_key=f"stems/2/{JOB_ID}/sub/vocals.flac", size_bytes=6, job_id=JOB_ID, track_id="t1", owner_id="ann",
    )  # fmt: skip
    assert b"".join([piece async for piece in blobs.read(stored.blob_key)]) == b"vocals"


async def test_a_waveform_is_stored_with_its_output_and_does_not_count(blobs: FileBlobs, tmp_path: Path) -> None:
    context = job(1)
    output, file = stem(tmp_path, "vocals")
    waveform_file(file).write_bytes(b"waveform")
    async with JobOutputs(blobs, context) as outputs:
        stored = await outputs.put(output, file)
        await outputs.put(*stem(tmp_path, "drums"))
    key = waveform_key(stored.blob_key)
    assert await blobs.keys("") == [f"stems/1/{JOB_ID}/sub/drums.flac", stored.blob_key, key]
    assert b"".join([piece async for piece in blobs.read(key)]) == b"waveform"
    assert described_key(key) == described_key(stored.blob_key) == stored.blob_key
    assert context.stored_bytes == len("vocals") + len("drums")
    await delete_outputs(blobs, "stems", JOB_ID, [1])
    assert await blobs.keys("") == []


async def test_ids_are_the_same_in_every_attempt_and_differ_by_name(blobs: FileBlobs, tmp_path: Path) -> None:
    ids = []
    for attempt, name in ((1, "vocals"), (2, "vocals"), (2, "drums")):
        async with JobOutputs(blobs, job(attempt)) as outputs:
            ids.append((await outputs.put(*stem(tmp_path, name))).id)
    assert ids[0] == ids[1] != ids[2]


async def fail_midway(blobs: FileBlobs, folder: Path, attempt: int) -> None:
    async with JobOutputs(blobs, job(attempt)) as outputs:
        await outputs.put(*stem(folder, "vocals"))
        raise ZeroDivisionError


async def test_outputs_that_cannot_be_deleted_do_not_hide_why_the_attempt_ended(
    blobs: FileBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_prefix: str) -> int:
        raise AppError(Code.UNAVAILABLE, "BLOBS_UNAVAILABLE", "The file store does not answer.")

    monkeypatch.setattr(blobs, "delete_prefix", fail)
    with pytest.raises(ZeroDivisionError):
        await fail_midway(blobs, tmp_path, 1)


async def test_a_failed_attempt_spares_the_outputs_of_others(blobs: FileBlobs, tmp_path: Path) -> None:
    others = [f"stems/20/{JOB_ID}/vocals", f"stems/2/{JOB_ID}0/vocals", f"exports/2/{JOB_ID}/vocals"]
    others += [f"stems/{JOB_ID}/20/vocals"]
    for key in others:
        async with blobs.write(key) as writer:
            await writer.write(b"1")
    with pytest.raises(ZeroDivisionError):
        await fail_midway(blobs, tmp_path, 2)
    assert await blobs.keys("") == sorted(others)


async def test_beginning_removes_what_earlier_attempts_left_and_nothing_else(blobs: FileBlobs) -> None:
    keys = {attempt: f"stems/{attempt}/{JOB_ID}/sub/drums.flac" for attempt in (1, 2, 3, 10)}
    other = "stems/1/other/vocals"
    for key in (*keys.values(), other):
        async with blobs.write(key) as writer:
            await writer.write(b"1")
    async with JobOutputs(blobs, job(3)):
        pass
    assert await blobs.keys("") == sorted([keys[3], keys[10], other])


async def test_a_kind_without_an_output_folder_stores_no_files(blobs: FileBlobs) -> None:
    with pytest.raises(ValueError, match="no output folder"):
        JobOutputs(blobs, JobContext(job_pb2.Job(id=JOB_ID, attempt=1)))


async def test_space_is_reserved_before_each_file_is_stored(blobs: FileBlobs, tmp_path: Path) -> None:
    asked: list[int] = []

    async def reserve(size_bytes: int) -> None:
        assert len(await blobs.keys("")) == len(asked)
        asked.append(size_bytes)
        if size_bytes > 11:
            raise AppError(Code.TOO_LARGE, "QUOTA_EXCEEDED", "no room")

    context = JobContext(job(1).job, reserve)

    async def store() -> None:
        async with JobOutputs(blobs, context) as outputs:
            for name in ("vocals", "drums", "bass"):
                await outputs.put(*stem(tmp_path, name))

    with pytest.raises(AppError, match="QUOTA_EXCEEDED"):
        await store()
    assert (asked, context.stored_bytes) == ([6, 11, 15], 11)
    assert await blobs.keys("") == []
