"""What the composer and the sound designer understand of a prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generation.engines.procedural.compose import compose, plan_music
from services.generation.engines.procedural.prompt import find_words, parse_prompt, words_of
from services.generation.engines.procedural.sounds import ambience_cues, cues


@pytest.mark.parametrize(
    ("prompt", "tempo"),
    [
        ("techno at 135 BPM", 135.0), ("bpm: 90, hip hop", 90.0), ("128bpm house", 128.0), ("tempo 100 funk", 100.0),
        ("a song at 999 bpm", 220.0), ("slow pop with 12 strings", None),
    ],
)  # fmt: skip
def test_tempo_in_numbers(prompt: str, tempo: float | None) -> None:
    assert parse_prompt(prompt).tempo_bpm == tempo


@pytest.mark.parametrize(
    ("prompt", "tonic", "is_minor"),
    [
        ("ballad in C minor", 0, True),
        ("ballad in c# major", 1, False),
        ("Bb major jazz", 10, False),
        ("E-flat minor", 3, True),
        ("F sharp minor techno", 6, True),
        ("blues in Am", 9, True),
        ("trance, F#m, 138 bpm", 6, True),
        ("in A minor", 9, True),
        ("in a minor key", None, True),
        ("something in the key of D", 2, None),
        ("a major hit", 9, False),
        ("calm piano", None, None),
        ("I am happy", None, None),
    ],
)
def test_key(prompt: str, tonic: int | None, is_minor: bool | None) -> None:
    request = parse_prompt(prompt)
    assert (request.tonic, request.is_minor) == (tonic, is_minor)


@pytest.mark.parametrize(
    ("prompt", "style"),
    [
        ("drum and bass", "drum_and_bass"),
        ("lo-fi beats", "lofi"),
        ("LOFI hip hop", "lofi"),
        ("epic rock anthem", "rock"),
        ("epic battle", "cinematic"),
        ("upbeat electronic dance music", "house"),
        ("a waltz in 3/4", "waltz"),
        ("scrapbook", ""),  # no "rap" inside a word
        ("popcorn", ""),
        ("heavy metal", "metal"),
    ],
)
def test_genre_by_whole_words(prompt: str, style: str) -> None:
    assert parse_prompt(prompt).style == style


def test_instruments_named_and_excluded() -> None:
    request = parse_prompt("Jazz with saxophone and electric piano, no drums or bass, without any vocals")
    assert request.wanted == ("sax", "epiano")
    assert request.unwanted == {"drums", "bass_electric", "voice"}
    assert request.is_instrumental
    assert not request.is_solo


def test_genre_words_are_no_instruments() -> None:
    request = parse_prompt("drum and bass without vocals")
    assert request.wanted == ()
    assert request.unwanted == {"voice"}


@pytest.mark.parametrize("prompt", ["solo piano", "piano solo", "only piano please", "piano only"])
def test_solo(prompt: str) -> None:
    assert parse_prompt(prompt).is_solo
    score = compose(prompt, 12.0, 3)
    assert {track.instrument for track in score.tracks} == {"piano"}


def test_a_guitar_solo_in_a_band_is_not_solo() -> None:
    request = parse_prompt("rock with a guitar solo and piano")
    assert not request.is_solo
    assert "guitar_lead" in request.wanted


@pytest.mark.parametrize(
    ("prompt", "field", "wanted", "unwanted"),
    [
        ("funk, no drums", "stem", {"bass"}, ("drums",)),
        ("only drums, funk groove", "stem", {"drums"}, ("bass", "vocals", "other")),
        ("instrumental pop", "instrument", set(), ("voice",)),
        ("rock with harp, trumpet and synth bass", "instrument", {"harp", "trumpet", "bass_fm"}, ()),
    ],
)
def test_wanted_instruments_play_and_others_do_not(
    prompt: str, field: str, wanted: set[str], unwanted: tuple[str, ...]
) -> None:
    for seed in range(8):
        playing = {getattr(track, field) for track in compose(prompt, 16.0, seed).tracks}
        assert wanted <= playing
        assert not any(name.startswith(unwanted) for name in playing)


@pytest.mark.parametrize(
    "prompt", ["solo drums", "classical drums only", "no drums, no bass, no chords, no melody", "ambient, only drums"]
)
def test_odd_wishes_still_give_music(prompt: str) -> None:
    for seed in range(4):
        assert compose(prompt, 12.0, seed).tracks


@pytest.mark.parametrize("seed", range(4))
def test_the_score_is_as_asked(seed: int) -> None:
    score = compose("melancholic ballad in F# minor, 66 bpm", 20.0, seed)
    assert score.tempo_bpm == 66.0
    assert score.key == "F# minor"
    assert compose("house in D major", 20.0, seed).key == "D major"


def test_moods_choose_mode_and_pace() -> None:
    for seed in range(6):
        assert plan_music("a happy tune", 10.0, seed).key.is_minor is False
        assert plan_music("a sad tune", 10.0, seed).key.is_minor is True
        slow = plan_music("slow pop", 10.0, seed).tempo_bpm
        assert slow < plan_music("pop", 10.0, seed).tempo_bpm < plan_music("fast pop", 10.0, seed).tempo_bpm


def test_a_build_grows() -> None:
    score = compose("cinematic build up", 30.0, 2)
    notes = [note for track in score.tracks for note in track.notes]
    middle = max(note.start_beat for note in notes) / 2
    early = [note.velocity for note in notes if note.start_beat < middle / 2]
    late = [note.velocity for note in notes if note.start_beat > middle * 1.5]
    assert sum(early) / len(early) < 0.7 * sum(late) / len(late)


def test_seeds_and_prompts_decide() -> None:
    pop = compose("pop", 20.0, 1)
    assert pop == compose("  POP ", 20.0, 1)
    assert pop != compose("pop", 20.0, 2)
    assert compose("pop song", 20.0, 1) != compose("pop tune", 20.0, 1)


@given(st.text(max_size=200))
def test_any_text_is_understood_somehow(prompt: str) -> None:
    assert plan_music(prompt, 10.0, 0) == plan_music(prompt, 10.0, 0)
    cues(prompt)


def test_longest_phrase_wins() -> None:
    words = words_of("A lo-fi, drum-and-bass R&B track in 3/4")
    assert words == ("a", "lo", "fi", "drum", "and", "bass", "r&b", "track", "in", "3/4")
    assert find_words(words, ["drum", "bass", "drum and bass"]) == [(3, 3, "drum and bass")]


@pytest.mark.parametrize(
    ("prompt", "sources"),
    [
        ("heavy rain with distant thunder", ["rain", "thunder"]),
        ("Footsteps in a cave", ["footsteps", "drip", "drone"]),
        ("train station", ["train"]),  # no rain inside "train"
        ("UI click", ["click"]),
        ("ui", ["notification"]),
        ("the quick brown fox", []),
    ],
)
def test_sounds_by_whole_words(prompt: str, sources: list[str]) -> None:
    assert [cue.source for cue in cues(prompt)] == sources


def test_words_before_a_sound_bend_it() -> None:
    rain, thunder = cues("heavy rain with distant thunder")
    assert rain.strength == 0.9
    assert not rain.is_distant
    assert thunder.is_distant
    assert thunder.strength == 0.5
    assert cues("fast footsteps")[0].pace > 1.0 > cues("slow footsteps")[0].pace


def test_music_may_name_a_background() -> None:
    assert [cue.source for cue in ambience_cues("lo-fi beats & rain")] == ["rain"]
    assert ambience_cues("wind quintet with bells and a train of thought") == ()
