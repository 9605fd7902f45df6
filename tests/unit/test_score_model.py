"""The score as ground truth: keys, beats and lengths."""

import numpy as np
import pytest

from services.generation.engines.procedural.score import PITCH_CLASSES, Key, Song


@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize("is_minor", [False, True])
def test_a_key_reads_back_from_its_name(tonic: int, is_minor: bool) -> None:
    key = Key(tonic, is_minor)
    assert Key.parse(str(key)) == key


def test_flats_are_spelled_with_sharps() -> None:
    assert str(Key.parse("Bb major")) == "A# major"
    assert str(Key.parse("eb minor")) == "D# minor"
    assert PITCH_CLASSES[Key.parse("Cb major").tonic] == "B"


@pytest.mark.parametrize("text", ["", "H minor", "C", "C dorian", "minor"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a key"):
        Key.parse(text)


def test_beats_fall_at_the_tempo_inside_the_song() -> None:
    song = Song("s", 120.0, "C major", 3, 4.0, ())
    np.testing.assert_allclose(song.beat_seconds, [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5])
    np.testing.assert_allclose(song.downbeat_seconds, [0, 1.5, 3.0])
    assert song.frames(44100) == 176400
    assert Song("s", 120.0, "C major", 4, 4.01, ()).beat_seconds[-1] == 4.0
