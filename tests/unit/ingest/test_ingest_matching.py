"""Links that users give, and the right recording among those that a search finds."""

import pytest

from soundwright.kit.errors import AppError, Code
from soundwright.services.ingest.fetch.matching import Candidate, Wanted, rank, similarity
from soundwright.services.ingest.links import ShortLink, SpotifyLink, WebLink, parse_link, parse_spotify_link

SONG = Wanted("Blinding Lights", ["The Weeknd"], 200.0)


def found(title: str, seconds: float | None, channel: str = "The Weeknd") -> Candidate:
    return Candidate(f"https://example.org/{title}/{seconds}", title, channel, seconds)


def titles(*candidates: Candidate, wanted: Wanted = SONG) -> list[tuple[str, float | None]]:
    return [(candidate.title, candidate.duration_seconds) for candidate in rank(wanted, candidates)]


def test_the_length_decides_first() -> None:
    video = found("The Weeknd - Blinding Lights (Official Video)", 262.0)
    audio = found("Blinding Lights", 201.0, channel="Somebody")
    unknown = found("The Weeknd - Blinding Lights", None)
    assert titles(video, unknown, audio) == [(each.title, each.duration_seconds) for each in (audio, unknown, video)]


@pytest.mark.parametrize(("seconds", "first"), [(190.0, True), (210.0, True), (189.9, False), (210.1, False)])
def test_ten_seconds_more_or_less_are_the_right_length(seconds: float, first: bool) -> None:
    unknown = found("The Weeknd - Blinding Lights", None)
    assert (titles(unknown, found("Blinding Lights", seconds))[0][1] == seconds) is first


@pytest.mark.parametrize(
    "other",
    [
        "The Weeknd - Blinding Lights (Live at the Festival)", "Blinding Lights - Karaoke Version",
        "Blinding Lights (Remix)", "Blinding Lights - The Weeknd (Cover by Anna)",
        "the weeknd blinding lights slowed + reverb", "Blinding Lights (8D AUDIO)", "Blinding Lights Instrumental",
    ],
)  # fmt: skip
def test_another_version_comes_after_the_plain_one(other: str) -> None:
    plain = found("Blinding Lights (Official Audio)", 195.0)
    assert titles(found(other, 200.0), plain)[0][0] == plain.title
    assert titles(found(other, 200.0)) == [(other, 200.0)]  # better than nothing


def test_another_version_comes_first_if_it_is_wanted() -> None:
    wanted = Wanted("Blinding Lights (Live)", ["The Weeknd"], 210.0)
    plain, live = found("Blinding Lights", 210.0), found("Blinding Lights (Live)", 210.0)
    assert titles(plain, live, wanted=wanted)[0][0] == live.title


def test_what_is_about_something_else_is_left_out() -> None:
    assert titles(found("Cooking pasta", 200.0, "A Kitchen"), found("Save Your Tears", 200.0)) == []
    assert rank(Wanted("", [], 10.0), [found("Blinding Lights", 10.0)]) == []


@pytest.mark.parametrize(
    ("seconds", "channel", "fits"), [(300.0, "Somebody", False), (300.0, "The Weeknd", True), (200.0, "Somebody", True)]
)
def test_of_another_length_it_must_name_title_and_artist(seconds: float, channel: str, fits: bool) -> None:
    assert bool(titles(found("Blinding Lights", seconds, channel))) is fits


def test_title_and_artist_beat_the_title_alone() -> None:
    named = found("Blinding Lights", 200.0)
    stranger = found("Blinding Lights", 200.0, "Somebody Else")
    assert [candidate.channel for candidate in rank(SONG, [stranger, named])] == ["The Weeknd", "Somebody Else"]


def test_a_channel_writes_names_in_one_word() -> None:
    channel = found("Blinding Lights", 300.0, "TheWeekndVEVO")
    assert titles(channel) == [("Blinding Lights", 300.0)]
    assert similarity(Wanted("Hey", ["U2"], 0.0), Candidate("", "Hey", "u2xyz", None)) < 0.7  # too short to tell


def test_equals_stay_in_the_order_of_the_search() -> None:
    first, second = found("Blinding Lights", 203.0), found("Blinding Lights", 200.0)
    assert rank(SONG, [first, second]) == [first, second]


@pytest.mark.parametrize(
    ("title", "artist", "text"),
    [
        ("Déjà Vu", "Beyoncé", "BEYONCE - Deja vu ft. JAY-Z"),
        ("Don't Stop Me Now", "Queen", "Queen – Don’t Stop Me Now (Official Video)"),
        ("夜に駆ける", "YOASOBI", "YOASOBI「夜に駆ける」 Official Music Video"),
        ("The The", "The", "The The"),
    ],
)
def test_spelling_does_not_matter(title: str, artist: str, text: str) -> None:
    assert similarity(Wanted(title, [artist], 0.0), Candidate("https://example.org", text, "", None)) > 0.95


ID = "4uLU6hMCjMI75M1A2tKUQC"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *(
            (text.replace("ID", ID), "track")
            for text in [
                "https://open.spotify.com/track/ID", "http://open.spotify.com/track/ID", "open.spotify.com/track/ID",
                "https://open.spotify.com/track/ID/", "https://open.spotify.com/track/ID#0:10", "spotify:track:ID",
                "SPOTIFY:track:ID", "https://open.spotify.com/track/ID?si=0123456789abcdef&utm_source=copy-link",
                "https://play.spotify.com/track/ID", "https://open.spotify.com/intl-de/track/ID?si=x",
                "https://open.spotify.com/intl-pt-BR/track/ID", "https://open.spotify.com/embed/track/ID",
                "https://OPEN.spotify.com/Track/ID",
            ]
        ),
        (f"  https://open.spotify.com/track/{ID}\n", "track"),
        (f"https://open.spotify.com/album/{ID}", "album"),
        (f"https://open.spotify.com/intl-fr/playlist/{ID}?si=1", "playlist"),
        (f"https://open.spotify.com/user/somebody/playlist/{ID}", "playlist"),
        (f"spotify:album:{ID}", "album"),
        (f"spotify:user:somebody:playlist:{ID}", "playlist"),
    ],
)  # fmt: skip
def test_spotify_links(text: str, kind: str) -> None:
    assert parse_link(text) == parse_spotify_link(text) == SpotifyLink(kind, ID)


def test_short_links() -> None:
    assert parse_spotify_link("https://spotify.link/AbC123") == ShortLink("/AbC123")
    assert parse_link("spotify.link/AbC123/") == ShortLink("/AbC123")


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"https://open.spotify.com\\@evil.example/track/{ID}",
        "spotify:track:" + "a" * 65,
        f"https://open.spotify.com/track/{'ä' * 22}",
        *"""
            hello https://open.spotify.com/ https://open.spotify.com/artist/ID https://open.spotify.com/episode/ID
            https://open.spotify.com/track/ https://open.spotify.com/track/../album/ID https://open.spotify.com/track/ID/more
            https://open.spotify.com.evil.example/track/ID https://evil.example/open.spotify.com/track/ID
            https://evil.example/?u=https://open.spotify.com/track/ID https://open.spotify.com@evil.example/track/ID
            ftp://open.spotify.com/track/ID spotify:artist:ID spotify:track:ID:x https://spotify.link/../x https://spotify.link/
        """.replace("ID", ID).split(),
    ],
)
def test_invalid_spotify_links(text: str) -> None:
    with pytest.raises(AppError, match=r"^URL_INVALID") as caught:
        parse_spotify_link(text)
    assert caught.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("https://example.org/a.mp3", WebLink("https://example.org/a.mp3", "example.org", 443)),
        ("HTTP://Example.ORG:80", WebLink("http://example.org/", "example.org", 80)),
        ("http://example.org:8080/a?b=c#d", WebLink("http://example.org:8080/a?b=c", "example.org", 8080)),
        ("https://example.org./a", WebLink("https://example.org/a", "example.org", 443)),
        ("http://[2606:4700::1111]/a", WebLink("http://[2606:4700::1111]/a", "2606:4700::1111", 80)),
        # yt-dlp would interpret the fragment as options, so it is removed.
        ("https://a.example/x#__youtubedl_smuggle=%7B%7D", WebLink("https://a.example/x", "a.example", 443)),
    ],
)
def test_web_links_are_canonical(text: str, link: WebLink) -> None:
    assert parse_link(text) == link


@pytest.mark.parametrize(
    "text",
    [
        *[
            "file:///etc/passwd", "ftp://example.org/a.mp3", "gopher://example.org/", "data:audio/wav;base64,AAAA",
            "javascript:alert(1)", "ytsearch:anything", "//example.org/a.mp3", "https://",
            "https://user:secret@example.org/a.mp3", "https://example.org:99999/", "https://user@example.org/a.mp3",
            "https://example.org:x/", "https://[::1/", "https://spotify.com/account",
        ],
        "https://exa mple.org/",
        "https://example.org/\r\nHost: evil",
        "https://example.org\\@evil.example/",
        "https://example.org/" + "a" * 2000,
    ],
)  # fmt: skip
def test_other_schemes_and_credentials_are_refused(text: str) -> None:
    with pytest.raises(AppError, match=r"^URL_INVALID") as caught:
        parse_link(text)
    assert "secret" not in caught.value.message
