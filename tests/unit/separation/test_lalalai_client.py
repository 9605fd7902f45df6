"""The lalal.ai client with all kinds of responses, and the conversion of stems."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from library_fixture import refusal
from pydantic import SecretStr

from soundwright.kit.audio import AudioLimits
from soundwright.kit.errors import AppError, Code
from soundwright.kit.security.egress_policy import EgressPolicy
from soundwright.services.separation.lalalai.client import LalalaiClient
from soundwright.services.separation.lalalai.keys import Key
from soundwright.services.separation.lalalai.stem_conversion import Recording, fit
from soundwright.services.separation.service import Format
from tests.simulators.lalalai import KEY, LalalaiSimulator

PLATFORM = Key(SecretStr(KEY), own=False)
ONCE = "0f8fad5b-d9cb-469f-a165-70867728950e"
TASK = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


@pytest.fixture
def simulator() -> Iterator[LalalaiSimulator]:
    with LalalaiSimulator() as started:
        yield started


@pytest.fixture
async def client(simulator: LalalaiSimulator) -> AsyncIterator[LalalaiClient]:
    # The simulator serves the API, but the egress policy refuses downloads from its address.
    made = LalalaiClient(simulator.url, EgressPolicy(), timeout_seconds=5, transfer_seconds=5, limit_bytes=1000)
    yield made
    await made.close()


def silent(_share: float) -> None:
    """Ignore the progress."""


async def test_a_single_stem_uses_its_own_endpoint(
    simulator: LalalaiSimulator, client: LalalaiClient, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((800, 1)), 8000)
    shares: list[float] = []
    source_id = await client.upload(PLATFORM, tmp_path / "a.wav", "recording.wav", shares.append)
    assert simulator.sources[source_id].content == (tmp_path / "a.wav").read_bytes()
    assert shares == [1.0]
    task_id = await client.split(PLATFORM, source_id, ["synth"], "phoenix", ONCE)
    task = simulator.tasks[task_id]
    assert (task.stems, task.splitter, task.label) == (["synthesizer"], "phoenix", "no_synthesizer")
    assert simulator.asked("/split/stem_separator/") == 1
    assert await client.split(PLATFORM, source_id, ["synth"], "phoenix", ONCE) == task_id
    state = await client.check(PLATFORM, task_id)
    assert (state.ratio, state.tracks) == (0.0, None)


def checked(state: dict[str, Any]) -> bytes:
    return json.dumps({"result": {TASK: state}}).encode()


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        b"[]",
        b'{"result": 5}',
        b'{"result": {}}',
        b"{" * 100_000,
        b" " * (2 << 20),
        checked({"status": "progress", "progress": 200}),
        checked({"status": "success"}),
        checked({"status": "success", "result": {"tracks": [{"type": "stem", "label": "vocals"}]}}),
        checked({"status": "dancing"}),
        checked({"status": "server_error", "error": "Permission denied"}),
        checked({"status": "progress", "progress": 0}).replace(b": 0}", b": NaN}"),
    ],
    ids=[
        "page", "list", "number", "unknown", "deep", "huge", "beyond", "empty", "unfinished", "odd", "refused", "nan",
    ],
)  # fmt: skip
async def test_invalid_responses_are_final_errors(
    simulator: LalalaiSimulator, client: LalalaiClient, answer: bytes
) -> None:
    simulator.answers["/check/"] = answer
    error = await refusal(client.check(PLATFORM, TASK), "LALALAI_ERROR", Code.UNPROCESSABLE)
    assert len(error.message) < 300


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
async def test_transient_statuses_are_retryable(
    simulator: LalalaiSimulator, client: LalalaiClient, status: int
) -> None:
    simulator.failures.append(("/limits/minutes_left/", status, {}, {"Retry-After": "7"}))
    error = await refusal(client.minutes_left(PLATFORM), "LALALAI_ERROR")
    assert error.retryable
    assert error.http_status == (429 if status == 429 else 503)
    assert error.meta["retry_after"] == 7
    assert await client.minutes_left(PLATFORM) == 1000.0


@pytest.mark.parametrize("status", [400, 404, 422, 500, 302])
async def test_other_statuses_are_final(simulator: LalalaiSimulator, client: LalalaiClient, status: int) -> None:
    body = {"detail": [{"loc": ["body"], "msg": f"Field required, {KEY}"}, {"msg": "and more"}]}
    simulator.failures.append(("/limits/minutes_left/", status, body, {"Location": simulator.url, "Retry-After": "x"}))
    error = await refusal(client.minutes_left(PLATFORM), "LALALAI_ERROR", Code.UNPROCESSABLE)
    assert "Field required, ***; and more" in error.message
    assert simulator.asked("/limits/minutes_left/") == 1


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "http://127.0.0.1:1/x", "http://[::1]/x", "{simulator}/files/x/y"]
)
async def test_downloads_obey_the_egress_policy(
    simulator: LalalaiSimulator, client: LalalaiClient, tmp_path: Path, url: str
) -> None:
    error = await refusal(
        client.download(url.replace("{simulator}", simulator.url), tmp_path / "x"), "LALALAI_ERROR", Code.UNPROCESSABLE
    )
    assert "not a public web server" in error.message


# ---------------------------------------------------------------------------------------------------------------- fit


def fitted(folder: Path, samples: np.ndarray, rate_hz: int, recording: Recording, encoding: Format = "wav32f") -> Any:
    """Convert one stem, received as ``samples`` [frames, channels]."""
    (folder / "fitted").mkdir(exist_ok=True)
    soundfile.write(folder / "came.flac", samples, rate_hz, subtype="PCM_24", format="FLAC")
    ((output, file),) = fit(
        None, silent, files={"bass": folder / "came.flac"}, folder=folder / "fitted", recording=recording,
        encoding=encoding, limits=AudioLimits(),
    )  # fmt: skip
    found, found_hz = soundfile.read(file, dtype="float32", always_2d=True)
    assert (found_hz, output.sample_rate_hz, output.frame_count) == (recording.sample_rate_hz, found_hz, len(found))
    assert (output.name, output.channel_count, output.source) == ("bass", found.shape[1], "lalalai")
    return found


def tone(frame_count: int, rate_hz: int, channel_count: int) -> np.ndarray:
    wave = 0.5 * np.sin(2 * np.pi * 220 * np.arange(frame_count) / rate_hz)
    return np.repeat(wave[:, None], channel_count, axis=1)


def test_fit_converts_rate_and_channels(tmp_path: Path) -> None:
    found = fitted(tmp_path, tone(48_000, 48_000, 2), 48_000, Recording(44_100, 1, 44_100))
    assert found.shape == (44_100, 1)
    assert np.abs(found - tone(44_100, 44_100, 1))[500:-500].max() < 1e-3
    assert fitted(tmp_path, tone(8000, 8000, 1), 8000, Recording(8000, 2, 8000)).shape == (8000, 2)
    # There is no conversion from two channels to six.
    assert fitted(tmp_path, tone(8000, 8000, 2), 8000, Recording(8000, 6, 8000)).shape == (8000, 2)


@pytest.mark.parametrize("extra", [-7000, -1, 0, 1, 7000])
def test_fit_trims_and_pads(tmp_path: Path, extra: int) -> None:
    came = tone(80_000 + extra, 8000, 1)
    found = fitted(tmp_path, came, 8000, Recording(8000, 1, 80_000))
    shared = min(80_000, 80_000 + extra)
    assert len(found) == 80_000
    assert np.abs(found[:shared] - came[:shared]).max() < 1e-6
    assert not found[shared:].any()


@pytest.mark.parametrize("frame_count", [71_000, 89_000])
def test_fit_refuses_other_lengths(tmp_path: Path, frame_count: int) -> None:
    with pytest.raises(AppError, match="another length"):
        fitted(tmp_path, tone(frame_count, 8000, 1), 8000, Recording(8000, 1, 80_000))
    assert list((tmp_path / "fitted").iterdir()) == []
