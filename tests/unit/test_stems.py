"""What a separation writes: stems and the mix, each with its waveform."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from kit.audio import AudioFile, AudioWriter, Waveform
from services.separation.scratch import ScratchSignal
from services.separation.stems import StemWriter, write_mix, write_stems

RATE_HZ = 22_050
FRAMES = 70_001


def halves(mix: AudioFile) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Yield stems that are halves of the mix."""
    for block in mix.blocks(10_000):
        yield {"vocals": 0.5 * block, "other": block - 0.5 * block}


@pytest.fixture
def mix(tmp_path: Path) -> AudioFile:
    """A foreign recording."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (2, FRAMES)).astype(np.float32)
    with AudioWriter(tmp_path / "song.wav", RATE_HZ, 2, "wav32f") as writer:
        writer.write(noise)
    return AudioFile(tmp_path / "song.wav")


def waveform(samples: NDArray[np.float32]) -> bytes:
    drawn = Waveform(RATE_HZ)
    drawn.add(samples)
    return drawn.data()


def samples(mix: AudioFile) -> NDArray[np.float32]:
    return np.concatenate(list(mix.blocks(FRAMES)), axis=1)


def test_each_stem_has_the_waveform_of_what_was_computed(mix: AudioFile, tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.flac" for name in ("vocals", "other")}
    made = write_stems(halves(mix), mix, files, "flac", lambda share: None)
    assert [(output.name, output.frame_count, file) for output, file in made] == [
        (name, FRAMES, file) for name, file in files.items()
    ]
    for file in files.values():
        assert file.with_name(f"{file.name}.dat").read_bytes() == waveform(0.5 * samples(mix))


def test_stems_for_further_models_are_kept_exactly_and_are_no_files_of_the_result(
    mix: AudioFile, tmp_path: Path
) -> None:
    scratch = {"other": ScratchSignal(tmp_path / "other.f32", mix)}
    files = {"vocals": tmp_path / "vocals.wav"}
    made = write_stems(halves(mix), mix, files, "wav16", lambda share: None, scratch)
    assert [output.name for output, _ in made] == ["vocals"]
    kept = np.concatenate(list(scratch["other"].blocks(3_000)), axis=1)
    np.testing.assert_array_equal(kept, samples(mix) - np.float32(0.5) * samples(mix))


def test_the_mix_is_the_recording_with_sixteen_bits(mix: AudioFile, tmp_path: Path) -> None:
    reports: list[float] = []
    output, file = write_mix(mix, tmp_path, reports.append)
    assert (output.name, output.path, output.content_type) == ("mix", "mix.flac", "audio/flac")
    assert (output.sample_rate_hz, output.channel_count, output.frame_count) == (RATE_HZ, 2, FRAMES)
    steps, _ = soundfile.read(file, dtype="int16", always_2d=True)
    np.testing.assert_array_equal(steps.T, np.rint(samples(mix) * 2**15))
    assert (tmp_path / "mix.flac.dat").read_bytes() == waveform(samples(mix))
    assert reports == [1.0] * 2


def test_a_stopped_mix_leaves_nothing(mix: AudioFile, tmp_path: Path) -> None:
    def stop(_share: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        write_mix(mix, tmp_path, stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["song.wav"]


def test_a_waveform_that_cannot_be_stored_is_an_error_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "stem.flac.dat").mkdir()
    with (
        pytest.raises(Exception, match="AUDIO_NOT_WRITTEN"),
        StemWriter(tmp_path / "stem.flac", RATE_HZ, 1, "flac") as writer,
    ):
        writer.write(np.zeros((1, 10), np.float32))
