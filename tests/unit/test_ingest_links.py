"""Parsing of links."""

from __future__ import annotations

import pytest

from kit.errors import AppError, Code
from services.ingest.links import ShortLink, SpotifyLink, WebLink, parse_link, parse_spotify_link

ID = "4uLU6hMCjMI75M1A2tKUQC"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *(
            (text.replace("ID", ID), "track")
            for text in [
                "https://open.spotify.com/track/ID",
                "http://open.spotify.com/track/ID",
                "open.spotify.com/track/ID",
                "https://open.spotify.com/track/ID/",
                "https://open.spotify.com/track/ID#0:10",
                "spotify:track:ID",
                "SPOTIFY:track:ID",
                "https://open.spotify.com/track/ID?si=0123456789abcdef&utm_source=copy-link",
                "https://play.spotify.com/track/ID",
                "https://open.spotify.com/intl-de/track/ID?si=x",
                "https://open.spotify.com/intl-pt-BR/track/ID",
                "https://open.spotify.com/embed/track/ID",
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
)
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
            "file:///etc/passwd",
            "ftp://example.org/a.mp3",
            "gopher://example.org/",
            "data:audio/wav;base64,AAAA",
            "javascript:alert(1)",
            "ytsearch:anything",
            "//example.org/a.mp3",
            "https://",
            "https://user:secret@example.org/a.mp3",
            "https://example.org:99999/",
            "https://user@example.org/a.mp3",
            "https://example.org:x/",
            "https://[::1/",
            "https://spotify.com/account",
        ],
        "https://exa mple.org/",
        "https://example.org/\r\nHost: evil",
        "https://example.org\\@evil.example/",
        "https://example.org/" + "a" * 2000,
    ],
)
def test_other_schemes_and_credentials_are_refused(text: str) -> None:
    with pytest.raises(AppError, match=r"^URL_INVALID") as caught:
        parse_link(text)
    assert "secret" not in caught.value.message
