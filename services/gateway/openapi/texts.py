"""Texts of the OpenAPI document."""

from typing import Any

ABOUT = """\
Soundwright serves three public APIs on one port. *Forge* (Sound Forge Alchemy) wraps results in `data`. *Soundbox* (Sound Box)
and *pipeline* (Audio Pipeline) return plain objects. The pages are for browsers.

**Authentication.** All APIs accept `Authorization: Bearer <token>` and browser sessions; state-changing requests of a session
need `X-CSRF-Token`. If open access is enabled, Sound Box and Audio Pipeline also accept requests without either: their
`security` has an empty entry. If open access is disabled, ignore that entry.

**Errors** have a status, a code and a message. Each response lists the possible codes, with an example of each.

**Rate limits.** Requests are limited per caller and per minute. `x-rate-limit` names the limit of an operation; each limit is
counted separately. What a browser with a session only reads counts as `polling`. The `X-RateLimit-*` headers of every response
show what is left. Requests beyond the limit get status 429 and `Retry-After`.

**Limits.** Requests can have a URL of 8 KB and headers of 64 KB. Requests that exceed a limit of the server get status 400, 408,
414, 429, 431 or 503 before they reach an operation, with the fields `error`, `code`, `message` and `detail`.

**Host and origin.** Requests whose `Host` is not a name of the server get status 421 and `HOST_NOT_ALLOWED`. Pages of any origin may call
Sound Box and Audio Pipeline with a token, and pages of this server and of loopback without one. Control characters in a path get status
400 and `PATH_INVALID`.

**HEAD** works wherever GET does, with the same status. It makes no files: for those that GET makes, the length is left out.
`X-Request-Id` identifies a request in the logs; clients may send their own.
"""
TAGS = {
    "forge tracks": "Upload, search and edit tracks.",
    "forge uploads": "Upload big files in parts, straight to the file store.",
    "forge processing": "Separate tracks into stems.",
    "forge analysis": "Tempo, key, energy and other features of a track.",
    "forge spotify": "Search the Spotify catalog and import from it.",
    "forge download": "Download tracks from links.",
    "forge jobs": "Jobs of all kinds.",
    "forge stems": "Play stems: segments that decode on their own, and waveforms.",
    "forge setlists": "Tracks in the order in which they are performed.",
    "forge sharing": "Links with which anybody can play a track.",
    "forge export": "Download stems, archives, analyses and original files.",
    "forge daw": "Render mixes.",
    "forge lalalai": "Separation by lalal.ai.",
    "forge agents": "Ask questions about your music.",
    "forge accounts": "API tokens and storage.",
    "forge webhooks": "Webhooks notify your server when a job ends.",
    "forge admin": "Administration.",
    "forge channels": "Events over WebSockets.",
    "soundbox generation": "Generate clips from prompts.",
    "soundbox queue": "Queued and running jobs.",
    "soundbox library": "The shared library of clips.",
    "soundbox votes": "Votes, feedback and ratings.",
    "soundbox tags": "Suggest categories for clips.",
    "soundbox favorites": "Favorite clips of a listener.",
    "soundbox radio": "Endless playback.",
    "soundbox playlists": "Ordered lists of clips.",
    "soundbox plays": "Play counts and history.",
    "soundbox files": "Audio files and spectrograms of clips.",
    "soundbox utility": "Random prompts, error reports and statistics.",
    "pipeline jobs": "Upload a file, follow its four stages, and download the tracks.",
    "pages accounts": "Browser pages to register, log in and manage an account.",
    "pages studio": "The web application. Its source is in `studio/`.",
    "operations": "Health of the platform.",
}


def _header(description: str, kind: str = "string", example: Any = None) -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}, "example": example}


HEADERS = {
    "X-Request-Id": _header("Identifies the request in the logs.", example="0f8fad5bd9cb469fa16570867728950e"),
    "X-RateLimit-Limit": _header("Requests allowed per minute.", "integer", 60),
    "X-RateLimit-Remaining": _header("Requests left in this minute.", "integer", 58),
    "X-RateLimit-Reset": _header("When the limit resets, in seconds since 1970.", "integer", 1772649060),
    "Retry-After": _header("Seconds to wait before the next attempt.", "integer", 42),
    "WWW-Authenticate": _header("The authentication scheme (RFC 6750).", example='Bearer realm="soundwright"'),
    "Location": _header("The address to continue at.", example="/users/log-in"),
    "Set-Cookie": _header(
        "A session, a visit, or a message for the next page.", example="soundwright_session=...; HttpOnly"
    ),
    "Link": _header(
        "The previous and the next page (RFC 8288).", example='</api/tracks?page=2&cursor=W2ZhbHNlLCBb>; rel="next"'
    ),
    "Accept-Ranges": _header("`bytes`: range requests are supported.", example="bytes"),
    "Content-Range": _header("The returned range and the size of the file in bytes.", example="bytes 0-1023/8820044"),
    "Content-Disposition": _header("The filename (RFC 6266).", example='attachment; filename="vocals.flac"'),
    "ETag": _header("Changes with the file.", example='"5d41402abc4b2a76"'),
    "Last-Modified": _header("When the file was written.", example="Wed, 04 Mar 2026 18:30:00 GMT"),
    "Cache-Control": _header("Who may cache the response, and for how long.", example="private, max-age=86400"),
    "X-Soundwright-Engine": _header("The engine that produced the result.", example="spleeter"),
    "X-Soundwright-Model": _header("The model that produced the result.", example="spleeter-with-small"),
    "X-Soundwright-Degraded": _header(
        "The requested model, if another one was used.", example="htdemucs was requested"
    ),
    "X-Soundwright-Limited": _header("`true`: the mix exceeded full scale and was limited.", example="false"),
}
