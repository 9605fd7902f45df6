"""What the composer understands of a prompt and says about it, and pieces of several parts."""

from itertools import pairwise

import numpy as np
import pytest

from soundwright.services.generation.engines.procedural.compose import Composition, compose_parts
from soundwright.services.generation.engines.procedural.drums import CRASH
from soundwright.services.generation.engines.procedural.instruments import INSTRUMENTS as PLAYERS
from soundwright.services.generation.engines.procedural.prompt import parse_prompt
from soundwright.services.generation.engines.procedural.score import Note, Song
from soundwright.services.generation.engines.procedural.sounds import ambience, scene
from soundwright.services.generation.engines.procedural.styles import STYLES
from soundwright.services.generation.engines.procedural.vocabulary import GENRES, HOMES, INSTRUMENTS, MOODS
from soundwright.services.generation.service import Part


def piece(prompt: str, seconds: float = 8.0, seed: int = 3, *, is_loop: bool = False) -> Composition:
    return compose_parts((Part(prompt, seconds, seed, is_loop),))


def notes(song: Song, stem: str, begin_beat: float = 0.0, end_beat: float = 1e9) -> list[tuple[float, int]]:
    """Times and pitches, without the small variations of a player."""
    return sorted(
        (round(4 * note.start_beat) / 4, note.pitch_midi)
        for note in _all_notes(song, stem)
        if begin_beat - 0.1 <= note.start_beat < end_beat - 0.1
    )


def _all_notes(song: Song, stem: str) -> list[Note]:
    return [note for track in song.tracks if track.stem == stem for note in track.notes]


def test_tables_name_only_styles_and_instruments_that_exist() -> None:
    assert len(GENRES) >= 200
    assert {genre.style for genre in GENRES.values()} <= set(STYLES)
    assert {name for genre in GENRES.values() for name in genre.band} <= set(PLAYERS)
    assert set(HOMES) <= {"guitar", *PLAYERS}
    assert set(HOMES.values()) <= set(STYLES)
    assert set(INSTRUMENTS.values()) - set(PLAYERS) == {"drums", "guitar", "melody", "chords"}


@pytest.mark.parametrize(
    ("prompt", "style", "instruments"),
    [
        ("symphonic metal", "metal", {"power guitar", "strings"}),
        ("punk", "punk", {"power guitar", "drums"}),
        ("a folk song", "folk", {"steel guitar"}),
        ("raga with sitar", "indian", {"sitar"}),
        ("opera aria", "classical", {"voice", "strings"}),
        ("baroque", "classical", {"harpsichord"}),
        ("folk metal", "metal", {"violin", "power guitar"}),
        ("western, blues", "blues", set()),
        ("experimental sounds", "ambient", {"dark pad"}),
        ("experimental techno", "techno", set()),
        ("epic, dark symphony", "classical", set()),
    ],
)  # fmt: skip
def test_a_genre_has_its_style_and_its_band(prompt: str, style: str, instruments: set[str]) -> None:
    said = piece(prompt, 16.0).interpretation
    assert said.style == style
    assert instruments <= set(said.instruments)
    assert said.ignored_words == ()


@pytest.mark.parametrize(
    ("prompt", "style"),
    [
        ("synth wave", "synthwave"),
        ("Synth-Pop", "synthwave"),
        ("reggaetón", "latin"),
        ("R'n'B", "soul"),
        ("shoe-gaze", "rock"),
        ("chill-hop", "lofi"),
        ("musical theatre", "pop"),
        ("lo-fi", "lofi"),
        ("K-Pop", "pop"),
        ("ambient 8-bit", "chiptune"),
        ("Drum'n'Bass", "drum_and_bass"),
    ],
)
def test_a_genre_is_known_in_other_spellings(prompt: str, style: str) -> None:
    request = parse_prompt(prompt)
    assert (request.style, request.ignored_words) == (style, ())


def test_an_instrument_and_a_mood_are_known_in_other_spellings() -> None:
    request = parse_prompt(
        "light-hearted, colourful piece for hi-hats, flügelhorn, pan pipes, bandoneón and synthesisers"
    )
    assert request.wanted == ("drums", "trumpet", "pan_flute", "accordion", "synth_lead")
    assert request.mood == MOODS["happy"]
    assert request.ignored_words == ()


def test_a_genre_has_its_tempo() -> None:
    def mean_bpm(prompt: str) -> float:
        return float(np.mean([piece(prompt, seed=seed).interpretation.tempo_bpm for seed in range(6)]))

    assert mean_bpm("jazz") < 150 < 180 < mean_bpm("bebop")
    assert mean_bpm("ska") > 110 > 95 > mean_bpm("reggae")


@pytest.mark.parametrize(
    ("prompt", "unwanted", "wanted"),
    [
        ("rock, no drums, fast piano", {"drums"}, ("piano",)),
        ("ambient without drums, bass or vocals", {"drums", "bass_electric", "voice"}, ()),
        ("pop without drums, bass, and vocals; with piano", {"drums", "bass_electric", "voice"}, ("piano",)),
        ("jazz, not sad, no soft drums", {"drums"}, ()),
        ("drumless house", {"drums"}, ()),
        ("pop, don't use drums, piano please", {"drums"}, ("piano",)),
        ("drum-free pop w/o any kind of piano", {"drums", "piano"}, ()),
        ("pop with neither drums nor piano, leave out the bass", {"drums", "piano", "bass_electric"}, ()),
        ("folk, not a single drum, nobody sings", {"drums", "voice"}, ()),
        ("everything but drums", {"drums"}, ()),
        ("piano without piano", {"piano"}, ()),
        ("bass-less pop that doesn't have any drums", {"bass_electric", "drums"}, ()),
    ],
)
def test_negations_end_where_they_say(prompt: str, unwanted: set[str], wanted: tuple[str, ...]) -> None:
    request = parse_prompt(prompt)
    assert request.unwanted == unwanted
    assert request.wanted == wanted
    assert request.mood is None


def test_no_genre_that_is_excluded_is_played() -> None:
    assert parse_prompt("no jazz, a blues").style == "blues"
    assert [parse_prompt(prompt).style for prompt in ("drum-free trance", "no drums trance")] == ["trance"] * 2
    assert [parse_prompt(prompt).style for prompt in ("not sad folk", "not too fast folk")] == ["folk"] * 2
    assert parse_prompt("no heavy metal").style == ""
    assert parse_prompt("blues").mood is None
    assert parse_prompt("guitar-free piano tune").wanted == ("piano",)
    assert parse_prompt("anything but jazz").unwanted_styles == {"jazz"}
    assert {piece("happy, not funk or disco", seed=seed).interpretation.style for seed in range(12)} == {
        "pop",
        "country",
    }


def test_no_sound_that_is_excluded_is_heard() -> None:
    assert [cue.source for cue in ambience("lo-fi beats, no rain").cues] == []
    assert [cue.source for cue in ambience("lo-fi beats, no rain, but ocean waves").cues] == ["ocean"]
    assert ambience("lo-fi beats without the sound of rain").cues == ()
    assert ambience("lo-fi beats, rain-free").cues == ()
    assert [cue.source for cue in scene("a forest without birds").cues] == ["wind", "stream"]
    assert [cue.source for cue in scene("a city street without horns").cues] == ["traffic"]
    assert [cue.source for cue in scene("storm, no heavy rain or wind").cues] == ["thunder"]


def test_experimental_music_has_noises_unless_the_prompt_names_a_sound() -> None:
    assert [cue.source for cue in ambience("weird, experimental piece").cues] == ["wind", "robot", "static"]
    assert [cue.source for cue in ambience("experimental piece with rain").cues] == ["rain"]
    assert ambience("not weird").cues == ()


def test_the_guitars_of_metal_ring_on() -> None:
    [guitar, _] = (track for track in piece("thrash metal").song.tracks if track.instrument == "power_guitar")
    roots = [guitar.notes[number] for number in range(0, len(guitar.notes), 3)]
    pauses = [after.start_beat - note.start_beat - note.duration_beats for note, after in pairwise(roots)]
    assert max(pauses) < 0.1


def test_guitars_of_rock_ring_on_or_pause() -> None:
    def longest_pause(seed: int) -> float:
        tracks = (track for track in piece("rock at 120 bpm", seed=seed).song.tracks if track.stem == "other")
        [guitar] = (track for track in tracks if track.pan > 0.5)
        roots = [note for note in guitar.notes[::3] if note.start_beat < 7.9]
        return max(after.start_beat - note.start_beat - note.duration_beats for note, after in pairwise(roots))

    pauses = [longest_pause(seed) for seed in range(8)]
    assert min(pauses) < 0.1
    assert max(pauses) > 0.4


def test_words_without_effect_are_named() -> None:
    said = piece("dark granular techno at 130 bpm in F# minor with a zorbing bass").interpretation
    assert said.ignored_words == ("granular", "zorbing")
    assert (said.style, said.tempo_bpm, said.key) == ("techno", 130.0, "F# minor")
    assert piece("a happy lullaby in 3/4, sad, slow and fast; 🎈").interpretation.ignored_words == (
        "3/4",
        "sad",
        "fast",
        "🎈",
    )
    assert piece("techno at 300 bpm").interpretation.ignored_words == ("300",)
    assert piece("techno at 60 beats per minute").interpretation.tempo_bpm == 60.0
    heard = scene("heavy rain on a zinc roof")
    assert (heard.ignored_words, heard.is_named) == (("zinc", "roof"), True)
    assert scene("qwertz").is_named is False


@pytest.mark.parametrize(
    ("prompt", "chosen"),
    [
        ("something nice", ("style", "tempo_bpm", "key", "instruments")),
        ("jazz with piano", ("tempo_bpm", "key")),
        ("jazz with piano at 120 bpm in C major", ()),
        ("sad jazz trio with flute in the key of D, 100 bpm", ()),
    ],
)
def test_what_the_seed_chose_is_said(prompt: str, chosen: tuple[str, ...]) -> None:
    assert piece(prompt).interpretation.chosen == chosen


@pytest.mark.parametrize("seconds", [3.0, 7.3, 12.0])
@pytest.mark.parametrize("prompt", ["pop", "techno at 124 bpm", "waltz at 96 bpm", "slow piano"])
def test_a_loop_has_whole_bars_of_the_requested_tempo(prompt: str, seconds: float) -> None:
    loop = piece(prompt, seconds, is_loop=True)
    said, song = loop.interpretation, loop.song
    assert said.bars == round(said.bars)
    bar_seconds = 60 * song.beats_per_bar / song.tempo_bpm
    assert loop.duration_seconds == pytest.approx(said.bars * bar_seconds, rel=1e-9)
    requested = parse_prompt(prompt).tempo_bpm
    if requested is not None:
        assert song.tempo_bpm == requested
        assert abs(loop.duration_seconds - seconds) <= max(bar_seconds / 2, bar_seconds - seconds)
    # It goes on with its beginning.
    beats = said.bars * song.beats_per_bar
    for stem in ("drums", "bass", "other", "vocals"):
        again = [(time - beats, pitch) for time, pitch in notes(song, stem, beats, beats + song.beats_per_bar)]
        assert again == notes(song, stem, 0, song.beats_per_bar)


@pytest.mark.parametrize(
    "prompt", ["pop", "rock at 133 bpm", "slow waltz", "melancholic ballad in F# minor", "jazz trio"]
)
def test_a_continuation_goes_on_with_the_next_bar(prompt: str) -> None:
    first = piece(prompt, 20.0).song
    parts = (Part(prompt, 20.0, 3), Part(prompt, 9.0, 8), Part(prompt, 9.0, 9))
    last = compose_parts(parts)
    song = last.song
    assert (song.tempo_bpm, song.key, song.duration_seconds) == (first.tempo_bpm, first.key, 38.0)
    assert [track.instrument for track in song.tracks] == [track.instrument for track in first.tracks]
    per_bar = song.beats_per_bar
    bars = int(20.0 / first.seconds_per_beat / per_bar)
    same = (bars - 5) * per_bar  # all but the outro and the melody's last phrase
    for stem in ("drums", "bass", "other", "vocals"):
        assert notes(song, stem, 0, same) == notes(first, stem, 0, same)
    # The last bar of the first part has its whole groove, in place of a held chord.
    assert len(notes(song, "drums", (bars - 1) * per_bar, bars * per_bar)) > 2
    # The bass plays in every bar after the intro, and only the end of the piece is held.
    starts = {int(note.start_beat + 0.1) // per_bar for note in _all_notes(song, "bass")}
    assert starts >= set(range(max(2, bars - 5), int(38.0 / song.seconds_per_beat / per_bar) - 1))
    beats = 38.0 / song.seconds_per_beat
    assert max(note.start_beat + note.duration_beats for note in _all_notes(song, "vocals")) == pytest.approx(
        beats, abs=0.3
    )
    # Another seed gives another continuation.
    assert (
        compose_parts((*parts[:1], Part(prompt, 18.0, 7))).song
        != compose_parts((*parts[:1], Part(prompt, 18.0, 8))).song
    )


@pytest.mark.parametrize("seconds", [12.0, 40.0])
@pytest.mark.parametrize("prompt", ["pop at 120 bpm", "funk at 120 bpm", "house at 120 bpm"])
def test_a_continuation_is_as_full_as_what_it_continues(prompt: str, seconds: float) -> None:
    song = compose_parts((Part(prompt, seconds, 3), Part(prompt, 16.0, 8))).song
    joint = seconds * 2

    def bar(begin_beat: float) -> list[tuple[float, int]]:
        hits = notes(song, "drums", begin_beat, begin_beat + 4)
        return [(time - begin_beat, pitch) for time, pitch in hits if pitch != CRASH]

    assert bar(joint - 8) == bar(joint)


def test_a_continuation_names_the_wishes_that_it_cannot_follow() -> None:
    parts = (Part("pop in C major at 120 bpm", 8.0, 1), Part("jazz with trumpet, no drums, 90 bpm in D minor", 8.0, 2))
    after = compose_parts(parts)
    assert after.interpretation.ignored_words == ("jazz", "90 bpm", "D minor")
    assert (after.interpretation.style, after.interpretation.key) == ("pop", "C major")
    second_half = 16.0
    assert notes(after.song, "drums", second_half) == []
    assert {track.instrument for track in after.song.tracks if track.stem == "vocals"} >= {"trumpet"}


def test_a_short_addition_prolongs_the_bar() -> None:
    parts = (Part("pop at 40 bpm", 8.0, 1), Part("pop at 40 bpm", 1.0, 2))
    assert compose_parts(parts).song.duration_seconds == 9.0


@pytest.mark.parametrize("seed", range(1, 13))
def test_however_short_an_addition_is_the_first_bar_stays(seed: int) -> None:
    base = Part("slow cello", 8.0, seed)
    first, longer = compose_parts((base,)).song, compose_parts((base, Part("slow cello", 2.0, seed + 100))).song
    for stem in ("drums", "bass", "other", "vocals"):
        assert notes(longer, stem, 0, 4) == notes(first, stem, 0, 4)


def test_a_loop_may_be_continued_and_a_continuation_may_be_a_loop() -> None:
    parts = (Part("house at 120 bpm", 8.0, 1, is_loop=True), Part("house at 120 bpm", 7.0, 2, is_loop=True))
    loop = compose_parts(parts)
    assert (loop.duration_seconds, loop.interpretation.bars) == (16.0, 8.0)
    assert notes(loop.song, "drums", 32, 36) == [(time + 32, pitch) for time, pitch in notes(loop.song, "drums", 0, 4)]


def test_phrases_without_a_beat_rise_and_fall() -> None:
    def loudest(prompt: str, share: float) -> float:
        song = piece(prompt, 16.0).song
        beat = share * 16.0 / song.seconds_per_beat
        near = [note.velocity for note in _all_notes(song, "other") if abs(note.start_beat - beat) < 1.1]
        return max(near)

    assert loudest("string quartet at 60 bpm", 0.0) < 0.75 * loudest("string quartet at 60 bpm", 0.5)
    assert loudest("house at 120 bpm", 0.0) > 0.75 * loudest("house at 120 bpm", 0.5)


@pytest.mark.parametrize("seed", range(4))
def test_a_soloist_begins_at_once(seed: int) -> None:
    assert min(note.start_beat for note in _all_notes(piece("solo cello", seed=seed).song, "vocals")) == 0.0


def test_nobody_sings_unless_the_prompt_asks_for_it() -> None:
    players = {name for prompt in ("pop", "hip hop", "soul", "happy song") for seed in range(6)
               for name in piece(prompt, seed=seed).interpretation.instruments}  # fmt: skip
    assert not any("voice" in name for name in players)
    assert "voice" in piece("pop with a female singer").interpretation.instruments
    assert "voice" in piece("opera aria").interpretation.instruments
    assert "choir" in piece("epic orchestral").interpretation.instruments
    for prompt in ("epic orchestral, no vocals", "instrumental gospel", "dark ambient without vocals"):
        assert "choir" not in piece(prompt).interpretation.instruments


@pytest.mark.parametrize("style", ["rock", "house", "jazz", "funk", "reggae", "drum and bass"])
def test_seeds_of_a_prompt_differ_in_their_grooves_and_a_seed_has_always_the_same(style: str) -> None:
    songs = [piece(f"{style} at 120 bpm", 6.0, seed).song for seed in (*range(10), 0)]
    for stem, least in {"drums": 4, "bass": 3, "other": 4, "vocals": 4}.items():
        bars = [tuple(time for time, _ in notes(song, stem, 4, 8)) for song in songs]
        assert len(set(bars)) >= least
        assert bars[0] == bars[-1]


@pytest.mark.parametrize(
    ("prompt", "present", "absent"),
    [
        ("hard rock with loud guitars", {"power guitar"}, {"steel guitar"}),
        ("folk with guitar", {"steel guitar"}, {"power guitar"}),
        ("string quartet", {"strings", "cello"}, {"piano"}),
        ("symphony", {"strings", "french horn"}, {"piano"}),
        ("harp and flute, gentle", {"harp", "flute"}, {"drums", "piano"}),
        ("a duo of flute and cello", {"flute", "cello"}, {"piano", "strings", "drums"}),
    ],
)
def test_named_players_play_and_others_do_not_take_their_place(
    prompt: str, present: set[str], absent: set[str]
) -> None:
    players = set(piece(prompt).interpretation.instruments)
    assert present <= players
    assert not absent & players


@pytest.mark.parametrize(
    ("prompt", "stem"), [("string quartet", "other"), ("rock with organ", "other"), ("celtic harp", "vocals")]
)
def test_a_named_player_plays_in_every_section(prompt: str, stem: str) -> None:
    song = piece(prompt, 30.0).song
    named = {"strings", "organ", "harp"}
    starts = {
        int(note.start_beat / 4 + 0.1) for track in song.tracks if track.instrument in named for note in track.notes
    }
    bars = int(30.0 / song.seconds_per_beat / 4)
    assert {stem} <= {track.stem for track in song.tracks if track.instrument in named}
    assert len(starts & set(range(bars))) > 0.8 * bars


@pytest.mark.parametrize(
    ("prompt", "soloist"),
    [
        ("celtic harp", "harp"),
        ("latin with a spanish guitar", "nylon_guitar"),
        ("sad strings", "violin"),
        ("rock with piano and a singer", "voice"),
        ("indian music with flute and harp", "flute"),
    ],
)
def test_a_named_instrument_has_the_melody_in_front_of_the_others(prompt: str, soloist: str) -> None:
    tracks = piece(prompt).song.tracks
    [lead] = (track for track in tracks if track.stem == "vocals")
    assert (lead.instrument, lead.gain) == (soloist, 1.0)
    [unasked] = (track for track in piece("celtic folk").song.tracks if track.stem == "vocals")
    assert unasked.gain < 0.5


@pytest.mark.parametrize(
    ("prompt", "style"),
    [
        ("sitar", "indian"),
        ("sad banjo tune", "country"),
        ("happy cello", "classical"),
        ("sitar rock", "rock"),
        ("quiet guitar", "folk"),
        ("angry guitar", "rock"),
        ("slow organ", "classical"),
    ],
)
def test_a_named_instrument_decides_the_style_if_no_genre_does(prompt: str, style: str) -> None:
    assert {piece(prompt, seed=seed).interpretation.style for seed in range(4)} == {style}


def test_calm_pieces_are_soft_and_without_crashes() -> None:
    def loudest(prompt: str) -> float:
        return max(note.velocity for note in _all_notes(piece(prompt, 20.0).song, "other"))

    assert loudest("quiet rock") < 0.85 * loudest("loud rock")
    assert [piece(prompt).song.brightness for prompt in ("loud rock", "slow metal", "jazz")] == [1.0, 1.0, 0.0]
    # Treble is taken away, as soft playing does.
    assert all(piece(prompt).song.brightness < 0.0 for prompt in ("quiet rock", "slow jazz", "slow blues"))
    assert 49 not in {note.pitch_midi for note in _all_notes(piece("quiet rock", 20.0).song, "drums")}
    assert 49 not in {note.pitch_midi for note in _all_notes(piece("celtic harp", 20.0).song, "drums")}
    assert 49 in {note.pitch_midi for note in _all_notes(piece("loud rock", 20.0).song, "drums")}
