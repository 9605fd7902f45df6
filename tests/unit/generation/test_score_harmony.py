"""Scores: keys, chords, voice leading, forms and beats, and what the composer understands of a prompt."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundwright.services.generation.engines.procedural.arrange import arrange
from soundwright.services.generation.engines.procedural.compose import compose_parts, plan_music
from soundwright.services.generation.engines.procedural.form import form
from soundwright.services.generation.engines.procedural.harmony import (
    nearest_pitch,
    progression,
    scale_pitches,
    voicing,
)
from soundwright.services.generation.engines.procedural.instruments import INSTRUMENTS
from soundwright.services.generation.engines.procedural.melody import compose_motif
from soundwright.services.generation.engines.procedural.prompt import find_words, parse_prompt, words_of
from soundwright.services.generation.engines.procedural.score import PITCH_CLASSES, Key, Song
from soundwright.services.generation.engines.procedural.songs import SONGS, song
from soundwright.services.generation.engines.procedural.sounds import ambience, scene
from soundwright.services.generation.engines.procedural.styles import STYLES
from soundwright.services.generation.engines.procedural.variety import varied
from soundwright.services.generation.service import Part

KEYS = st.builds(Key, st.integers(0, 11), st.booleans())


def compose(prompt: str, duration_seconds: float, seed: int) -> Song:
    return compose_parts((Part(prompt, duration_seconds, seed),)).song


def test_numerals_are_chords_of_the_key_and_a_dominant_in_minor_has_its_leading_note() -> None:
    bars = progression("I vi7 ii7+V7 bVII Isus", Key.parse("C major"))
    assert [[chord.pitch_classes for chord in bar] for bar in bars] == [
        [(0, 4, 7)], [(9, 0, 4, 7)], [(2, 5, 9, 0), (7, 11, 2, 5)], [(10, 2, 5)], [(0, 5, 7)],
    ]  # fmt: skip
    minor = progression("i V7 VI7", Key.parse("A minor"))
    assert [chord.pitch_classes for (chord,) in minor] == [(9, 0, 4), (4, 8, 11, 2), (5, 9, 0, 4)]
    with pytest.raises(ValueError, match="is not a chord"):
        progression("I X", Key.parse("C major"))


@pytest.mark.parametrize("name", STYLES)
def test_every_style_is_well_formed(name: str) -> None:
    style = STYLES[name]
    steps = 4 * style.beats_per_bar
    for each in (style, *(varied(name, style, seed) for seed in range(30))):
        lines = [
            *each.groove.values(),
            *each.light.values(),
            *each.bass_pattern.split(" "),
            each.accents or "-" * steps,
        ]
        lines += [line for layer in each.layers for line in layer.pattern.split(" ")]
        assert {len(line) for line in lines} == {steps}
    assert {style.kit, style.bass, *style.leads, *(layer.instrument for layer in style.layers)} <= set(INSTRUMENTS)
    for text, is_minor in [*((text, False) for text in style.major), *((text, True) for text in style.minor)]:
        assert progression(text, Key(0, is_minor))[0][0].root == 0  # the first chord shows the key
    assert style.tempo_bpm[0] < style.tempo_bpm[1] < style.tempo_bpm[2]


@given(key=KEYS, lowest=st.integers(40, 70))
def test_voicings_hold_all_tones_and_move_little(key: Key, lowest: int) -> None:
    before: tuple[int, ...] = ()
    for (chord,) in progression("i VI III VII" if key.is_minor else "I V vi IV", key):
        pitches = voicing(chord, lowest, before)
        assert {pitch % 12 for pitch in pitches} == set(chord.pitch_classes)
        assert list(pitches) == sorted(pitches)
        assert lowest <= pitches[0]
        assert pitches[-1] <= lowest + 23
        if before:
            assert np.mean([min(abs(pitch - old) for old in before) for pitch in pitches]) <= 3.0
        before = pitches


@given(pitch_class=st.integers(0, 11), target=st.floats(30, 90))
def test_the_nearest_pitch_is_of_the_class_and_near(pitch_class: int, target: float) -> None:
    pitch = nearest_pitch(pitch_class, target)
    assert pitch % 12 == pitch_class
    assert abs(pitch - target) <= 6.51


def test_singing_over_a_borrowed_chord_avoids_its_rubs() -> None:
    key = Key.parse("A minor")
    ((dominant,),) = progression("V", key)
    sung = {pitch % 12 for pitch in scale_pitches(key, dominant, 60, 72)}
    assert 8 in sung  # the leading note
    assert 7 not in sung  # its natural neighbour


def test_a_melody_has_the_accents_of_its_groove() -> None:
    motif = [compose_motif(np.random.default_rng(seed), 4, 1.0, 3, "..x...x...x...x.") for seed in range(10)]
    starts = Counter(start % 4 for each in motif for start in each.starts if start % 16)
    assert starts[2] > 2 * starts[0]


@given(bars=st.integers(1, 200), intro=st.booleans(), outro=st.booleans())
def test_a_form_fills_its_bars_exactly(bars: int, intro: bool, outro: bool) -> None:
    sections = form(bars, has_intro=intro, has_outro=outro)
    assert sum(section.bars for section in sections) == bars
    assert all(section.bars > 0 for section in sections)
    assert "chorus" in {section.kind for section in sections}
    assert intro or sections[0].kind != "intro"
    assert outro or sections[-1].kind != "outro"


@settings(max_examples=25, deadline=None)
@given(prompt=st.sampled_from(["pop", "jazz in Bb major", "waltz", "dark techno", "solo piano", "metal 200 bpm", ""]),
       duration=st.floats(1.0, 60.0), seed=st.integers(-5, 2**40))  # fmt: skip
def test_any_score_is_playable(prompt: str, duration: float, seed: int) -> None:
    score = arrange(plan_music(prompt, duration, seed))
    assert score.duration_seconds == duration
    assert any(track.notes for track in score.tracks)
    beats = duration / score.seconds_per_beat
    for track in score.tracks:
        instrument = INSTRUMENTS[track.instrument]
        for note in track.notes:
            assert 0 <= note.start_beat < beats + 0.1
            assert note.duration_beats > 0
            assert 0 < note.velocity <= 1
        if track.stem == "vocals":
            assert all(instrument.lowest_midi <= note.pitch_midi <= instrument.highest_midi for note in track.notes)
            ends = [note.start_beat + note.duration_beats for note in track.notes]
            starts = [note.start_beat for note in track.notes[1:]]
            assert all(end <= start + 1e-6 for end, start in zip(ends, starts, strict=False))  # one voice


def test_the_songs_are_varied() -> None:
    songs = [song(name) for name in SONGS]
    assert len(songs) >= 13
    assert SONGS[0] == "demo"
    assert 30 <= songs[0].duration_seconds <= 40
    tempos = [score.tempo_bpm for score in songs]
    assert (min(tempos) <= 70, max(tempos) >= 174) == (True, True)
    assert len({score.key.split()[0] for score in songs}) >= 11
    modes = Counter(score.key.split()[1] for score in songs)
    assert min(modes["major"], modes["minor"]) >= 6
    assert {score.beats_per_bar for score in songs} == {3, 4}
    assert all({track.stem for track in score.tracks} == {"drums", "bass", "vocals", "other"} for score in songs)


@pytest.mark.parametrize("name", SONGS)
def test_a_song_is_mostly_in_its_key_and_its_lead_rests(name: str) -> None:
    score = song(name)
    key = Key.parse(score.key)
    scale = {(key.tonic + step) % 12 for step in key.scale}
    pitched = [note for track in score.tracks if track.stem != "drums" for note in track.notes]
    weight = sum(note.duration_beats for note in pitched)
    inside = sum(note.duration_beats for note in pitched if note.pitch_midi % 12 in scale)
    assert inside / weight > 0.9
    (lead,) = [track for track in score.tracks if track.stem == "vocals"]
    sung = sum(note.duration_beats for note in lead.notes) * score.seconds_per_beat
    assert 0.2 < sung / score.duration_seconds < 0.8
    starts = {track.stem: min(note.start_beat for note in track.notes) for track in score.tracks}
    assert starts["vocals"] >= score.beats_per_bar  # the band begins


def test_a_song_fits_any_length() -> None:
    for seconds in (5.0, 47.0, 180.0):
        score = song("rock", seconds)
        assert score.duration_seconds == seconds
        assert score.tempo_bpm == song("rock").tempo_bpm
        last = max(note.start_beat for track in score.tracks for note in track.notes)
        assert last * score.seconds_per_beat > 0.6 * seconds
    with pytest.raises(KeyError):
        song("no such song")


@pytest.mark.parametrize("duration", [5.0, 8.0, 20.0])
@pytest.mark.parametrize("prompt", ["calm piano", "pop", "rock at 133 bpm", "slow waltz"])
def test_the_melody_ends_on_the_tonic_where_the_clip_ends(prompt: str, duration: float) -> None:
    for seed in range(5):
        clip = compose(prompt, duration, seed)
        beats = duration * clip.tempo_bpm / 60.0
        (melody,) = (track.notes for track in clip.tracks if track.stem == "vocals")
        assert melody[-1].start_beat + melody[-1].duration_beats == pytest.approx(beats, abs=0.2)
        assert melody[-1].pitch_midi % 12 == Key.parse(clip.key).tonic
        assert any(note.start_beat >= 0.75 * beats for track in clip.tracks for note in track.notes)


def test_a_tempo_that_nobody_asked_for_gives_whole_bars() -> None:
    bars = [plan_music("pop", 8.0, seed).tempo_bpm * 8.0 / 60.0 / 4 for seed in range(10)]
    assert np.mean([abs(count - round(count)) < 1e-9 for count in bars]) >= 0.7
    assert plan_music("pop at 133 bpm", 8.0, 1).tempo_bpm == 133


def test_a_key_reads_back_from_its_name_and_flats_are_spelled_with_sharps() -> None:
    for key in (Key(tonic, is_minor) for tonic in range(12) for is_minor in (False, True)):
        assert Key.parse(str(key)) == key
    assert [str(Key.parse(text)) for text in ("Bb major", "eb minor")] == ["A# major", "D# minor"]
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
        ("ballad in C minor", 0, True), ("ballad in c# major", 1, False), ("Bb major jazz", 10, False),
        ("E-flat minor", 3, True), ("F sharp minor techno", 6, True), ("blues in Am", 9, True),
        ("trance, F#m, 138 bpm", 6, True), ("in A minor", 9, True), ("in a minor key", None, True),
        ("something in the key of D", 2, None), ("a major hit", 9, False), ("calm piano", None, None),
        ("I am happy", None, None),
    ],
)  # fmt: skip
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


@pytest.mark.parametrize(
    "prompt", ["solo piano", "piano solo", "only piano please", "piano only", "nothing but a piano"]
)
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
    scene(prompt)


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
    heard = scene(prompt)
    assert [cue.source for cue in heard.cues if heard.is_named] == sources


def test_words_before_a_sound_bend_it() -> None:
    rain, thunder = scene("heavy rain with distant thunder").cues
    assert rain.strength == 0.9
    assert not rain.is_distant
    assert thunder.is_distant
    assert thunder.strength == 0.5
    assert scene("fast footsteps").cues[0].pace > 1.0 > scene("slow footsteps").cues[0].pace


def test_music_may_name_a_background() -> None:
    assert [cue.source for cue in ambience("lo-fi beats & rain").cues] == ["rain"]
    assert ambience("wind quintet with bells and a train of thought").cues == ()
