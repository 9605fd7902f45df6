"""The prose of the published document."""

from __future__ import annotations

from typing import Any

__all__ = ["ABOUT", "HEADERS", "TAGS"]

ABOUT = """\
Three public APIs on one port, each in its own dialect: *forge* (Sound Forge Alchemy) wraps what it answers in `data`,
*soundbox* (Sound Box) and *pipeline* (Audio Pipeline) answer with plain objects. Pages are for browsers.

**Who calls.** `Authorization: Bearer <token>` everywhere. Forge takes the session of a browser, too; what changes something
then needs `X-CSRF-Token`. Under open access Sound Box and Audio Pipeline take calls without a token: an empty entry under
`security` stands for that, and without open access it does not count.

**Refusals** have a status, a code and a sentence; each response lists the codes that it stands for, with an example of each.

**Budgets.** Calls are counted by the minute, by caller, and by what `x-budget` says: each kind has a budget of its own, which
`X-RateLimit-*` of every answer tell. Beyond it calls are refused with 429 and `Retry-After`.

**HEAD** works wherever GET does. `X-Request-Id` names a call in our logs; send one of your own if you like.
"""
TAGS = {
    "forge tracks": "Recordings: bring them in, find them, change what is said of them.",
    "forge processing": "Separation into stems.",
    "forge analysis": "Tempo, key, energy and more of a track.",
    "forge spotify": "Spotify's catalog.",
    "forge download": "Recordings behind links.",
    "forge jobs": "All jobs, whatever their kind.",
    "forge export": "Files: stems, archives, analyses, recordings.",
    "forge daw": "Mixes.",
    "forge lalalai": "Separation by lalal.ai.",
    "forge agents": "Questions about your music.",
    "forge accounts": "API tokens.",
    "forge webhooks": "Endpoints that are told when jobs end.",
    "forge admin": "For administrators.",
    "forge channels": "Events, over WebSockets.",
    "soundbox generation": "Clips out of words.",
    "soundbox queue": "What waits and what is at work.",
    "soundbox library": "The shared library of clips.",
    "soundbox votes": "Votes, feedback and ratings.",
    "soundbox tags": "Suggestions of categories.",
    "soundbox favorites": "What a listener likes to find again.",
    "soundbox radio": "Endless music.",
    "soundbox playlists": "Clips in an order of the owner's.",
    "soundbox plays": "What is played.",
    "soundbox files": "Clips and their pictures as files.",
    "soundbox utility": "Prompts, reports and figures.",
    "pipeline jobs": "Upload a recording, see how its four stages go, and fetch what they made.",
    "pages accounts": "Registering, logging in and looking after an account, in a browser.",
    "pages music": "Tracks, jobs and the first page, in a browser.",
    "operations": "For those who run the platform.",
}


def _header(description: str, kind: str = "string", example: Any = None) -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}, "example": example}


HEADERS = {
    "X-Request-Id": _header("Names the call in logs.", example="0f8fad5bd9cb469fa16570867728950e"),
    "X-RateLimit-Limit": _header("Calls of this kind in a minute.", "integer", 60),
    "X-RateLimit-Remaining": _header("How many of them are left.", "integer", 58),
    "X-RateLimit-Reset": _header("When all are there again: seconds since 1970.", "integer", 1772649060),
    "Retry-After": _header("Seconds until it is worth trying again.", "integer", 42),
    "WWW-Authenticate": _header("How to say who calls (RFC 6750).", example='Bearer realm="soundwright"'),
    "Location": _header("Where to go on.", example="/users/log-in"),
    "Set-Cookie": _header(
        "A session, a visit, or a word for the next page.", example="soundwright_session=...; HttpOnly"
    ),
    "Link": _header("The pages before and after this one (RFC 8288).", example='</api/tracks?page=2>; rel="next"'),
    "Accept-Ranges": _header("`bytes`: parts can be had.", example="bytes"),
    "Content-Range": _header("Which part this is, and of how many bytes.", example="bytes 0-1023/8820044"),
    "Content-Disposition": _header("What to call the file (RFC 6266).", example='attachment; filename="vocals.flac"'),
    "ETag": _header("Changes with the file.", example='"5d41402abc4b2a76"'),
    "Last-Modified": _header("When the file was written.", example="Wed, 04 Mar 2026 18:30:00 GMT"),
    "Cache-Control": _header("How long it may be kept, and by whom.", example="private, max-age=86400"),
    "X-Soundwright-Engine": _header("What made it.", example="dsp"),
    "X-Soundwright-Model": _header("With which model.", example="dsp"),
    "X-Soundwright-Degraded": _header("Another model was asked for: which.", example="htdemucs was asked for"),
    "X-Soundwright-Limited": _header("`true`: the sum exceeded full scale and was limited.", example="false"),
}
