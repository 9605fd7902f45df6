"""Who may call what: the classes of routes, with the status that each kind of caller gets, and how to make the calls."""

import json
from typing import Any

import httpx
from stories import encoded, song

from tests.broken_media import by_ffmpeg, jpeg
from tests.simulators.lalalai import KEY as LALALAI_KEY

CALLERS = ("anonymous", "wrong token", "stranger", "administrator", "owner")
"""Those with columns of their own, known by a token or by nothing. What the suspended and those in browsers get follows."""
Row = tuple[int, int, int, int, int]


def _rows(table: dict[Row, str]) -> dict[str, Row]:
    """Read the classes of a table: methods with the paths behind them, one after another."""
    rows, method = dict[str, Row](), ""
    for row, text in table.items():
        for word in text.split():
            if word.startswith("/"):
                rows[f"{method} {word}"] = row
            else:
                method = word
    return rows


def _own(stranger: int, owner: int = 200) -> Row:
    """Return the row of what names something of the owner's. An administrator is a stranger like any other here."""
    return (401, 401, stranger, stranger, owner)


def _account(status: int = 200) -> Row:
    return (401, 401, status, status, status)


def _admin(administrator: int = 200) -> Row:
    return (401, 401, 403, administrator, 403)


def _everybody(status: int) -> Row:
    return (status,) * 5


# The classes of routes, with what each caller gets. A route is in one class. The stack runs with open access, which lets
# callers without a name into two dialects.
MATRIX = _rows({
    _everybody(204): "GET /.well-known/{path}",
    # The secret of a link says what is shown, whoever has it.
    _everybody(200): """
        GET /health /config /schemas/daw-manifest.json /api/shared/{secret} /api/shared/{secret}/audio
        /api/shared/{secret}/waveform /api/shared/{secret}/cover
        /api/shared/{secret}/stems/{stem_id}/segments/{index} /api/shared/{secret}/stems/{stem_id}/waveform""",
    _everybody(422): "POST /api/tokens",  # the password in the body, which lacks here, says who calls
    _account(): """
        GET /api/tracks /api/processing/models /api/lalalai/quota /api/spotify/search /api/spotify/track/{spotify_id} /api/tokens
        /api/users/me/storage /api/sessions /api/connections /api/agents/conversations /api/webhooks /api/jobs
        /api/users/me/export /api/features /api/setlists
        PUT /api/lalalai/key POST /api/tracks/batch /api/lalalai/cancel-all /api/spotify/fetch /api/download/preview""",
    _account(201): """
        POST /api/setlists
        POST /api/tracks /api/tracks/from-clip /api/spotify/import /api/download/track /api/webhooks""",  # clips are everybody's
    _account(204): "DELETE /api/lalalai/key /api/sessions /api/connections/{provider}",  # of their own, if they have one
    _account(403): "POST /api/users/me/tokens DELETE /api/users/me",  # browsers only
    _account(404): "DELETE /api/tokens/{token_id} /api/sessions/{session_id}",  # nobody's
    # This stack keeps files in a folder, which clients cannot reach.
    _account(409): """
        POST /api/uploads /api/uploads/{upload_id}/parts /api/uploads/{upload_id}/complete
        GET /api/uploads/{upload_id} DELETE /api/uploads/{upload_id}""",
    _admin(): """
        GET /api/admin/users /api/admin/audit /api/admin/jobs /api/admin/components /api/admin/queues /api/admin/storage
        /api/admin/models /api/admin/llm/health""",
    _admin(404): "PATCH /api/admin/users/{user_id} POST /api/admin/models/{component}/{name}/fetch",  # nobody, no component
    _admin(409): "DELETE /api/admin/jobs/{job_id}",  # it has ended
    _own(404): """
        GET /api/setlists/{setlist_id} PATCH /api/setlists/{setlist_id}
        GET /api/tracks/{track_id} /api/tracks/{track_id}/cover /api/tracks/{track_id}/stems /api/tracks/{track_id}/waveform /api/tracks/{track_id}/links
        /api/analysis/{track_id}
        /files/{path}
        /api/agents/conversations/{conversation_id} /api/webhooks/{webhook_id} /api/webhooks/{webhook_id}/deliveries
        PUT /api/tracks/{track_id}/cover
        PATCH /api/tracks/{track_id} /api/webhooks/{webhook_id}
        POST /api/lalalai/cancel /api/agents/chat /api/webhooks/{webhook_id}/secret /api/daw/export /api/processing/plan""",
    _own(404, 201): """
        POST /api/processing/separate /api/processing/batch /api/analysis/analyze /api/export/stems /api/tracks/{track_id}/links""",
    _own(404, 204): """
        DELETE /api/setlists/{setlist_id} /api/tracks/{track_id}/links/{link_id} /api/tracks/{track_id}/cover /api/tracks/{track_id} /api/agents/conversations/{conversation_id} /api/webhooks/{webhook_id}""",
    _own(404, 409): "POST /api/webhooks/{webhook_id}/test /api/webhooks/deliveries/{delivery_id}/replay",  # it is disabled
    _own(403): """
        GET /api/stems/{stem_id}/segments/{index} /api/stems/{stem_id}/waveform /api/stems/{stem_id}/spectrogram/{tile}
        /api/jobs/{job_id}/live /api/jobs/{job_id}/live/{stem_type}.wav /api/jobs/{job_id}/live/{stem_type}/segments/{index}
        /api/jobs/{job_id}/live/{stem_type}/waveform
        /api/jobs/{job_id} /api/processing/job/{job_id} /api/processing/batch/{job_id} /api/analysis/job/{job_id}
        /api/download/job/{job_id} /api/export/job/{job_id} /export/stem/{stem_id} /export/stems/{track_id}
        /export/analysis/{track_id} /export/midi/{track_id} /export/project/{track_id} /export/archive/{job_id}
        /export/chords/{track_id}.lab /export/chords/{track_id}.cho""",
    # This song has no beats and no lyrics.
    _own(403, 404): "GET /export/click/{track_id}.wav /export/lyrics/{track_id}.lrc /export/lyrics/{track_id}.txt",
    _own(403, 409): "DELETE /api/jobs/{job_id} POST /api/jobs/{job_id}/retry",  # it has succeeded
    (200, 401, 200, 200, 200): "POST /process",
    (404, 401, 404, 404, 200): """
        GET /job/{job_id} /job/{job_id}/outputs /download/{job_id}/all /download/{job_id}/{track_name}""",
})  # fmt: skip
# The same for the soundbox dialect, whose clips are everybody's. Under open access, a user_id says who calls.
SOUNDBOX = _rows({
    (200, 401, 200, 200, 200): """
        POST /generate /rate /random-prompt /api/log-error /api/track/{gen_id}/play
        GET /status /queue-status /api/queue /api/library /api/library/counts /api/library/category-counts
        /api/library/{gen_id} /api/library/{gen_id}/feedback /api/library/{gen_id}/tag-suggestions /api/library/{gen_id}/waveform
        /api/categories/{model} /api/radio /api/radio/shuffle /api/radio/next /api/radio/top-rated /api/radio/new
        /api/playlists /api/track/{gen_id}/stats /api/trending /api/most-played /api/history/plays /api/history/votes
        /audio/{filename} /download/{filename} /spectrogram/{filename} /generate-spectrogram/{audio_filename} /history
        /api/stats""",
    (400, 401, 200, 200, 200): """
        GET /api/favorites /api/radio/favorites
        POST /api/library/{gen_id}/vote /api/library/votes /api/favorites/check /api/favorites/{gen_id}
        DELETE /api/favorites/{gen_id}""",
    (201, 401, 201, 201, 201): "POST /api/playlists",
    (404, 401, 404, 404, 200): """
        GET /api/radio/playlist/{playlist_id} /api/playlists/{playlist_id} PUT /api/playlists/{playlist_id}
        POST /api/playlists/{playlist_id}/tracks PUT /api/playlists/{playlist_id}/reorder
        DELETE /api/playlists/{playlist_id}/tracks/{gen_id} /api/playlists/{playlist_id}""",
    (400, 401, 403, 403, 400): "POST /api/queue/{job_id}/cancel",  # it has ended
    (200, 401, 200, 200, 400): "POST /api/library/{gen_id}/suggest-tag",  # three have agreed
    (400, 401, 400, 400, 400): "POST /api/library/{gen_id}/cancel-tag",
    (403, 401, 403, 200, 404): "DELETE /api/library/{gen_id}",  # administrators may
})  # fmt: skip
MATRIX |= SOUNDBOX
GUEST = "POST /api/users/guest"
# Pages do not take tokens: here the callers are a visitor five times. What browsers get that are logged in is below.
PAGES = _rows({
    _everybody(200): """
        GET /assets/style.css /assets/drops.js /assets/icon.svg /favicon.ico /studio/worker.js /studio/manifest.webmanifest /studio /studio/shared/{secret} /studio/{path} /users/register /users/log-in
        /users/log_in /users/log-in/{token} /users/confirm/{token} /users/settings/confirm-email/{token}
        POST /users/register""",  # the form again
    _everybody(201): GUEST,
    _everybody(302): """
        GET / /auth/spotify /auth/spotify/callback /users/settings PUT /users/settings
        POST /users/log-in /users/log_in /users/confirm/{token} /users/settings/confirm-email/{token} /users/settings""",
    _everybody(404): "GET /studio/assets/{name}",  # the names of real assets change
})  # fmt: skip
MATRIX |= PAGES
# The same pages for browsers that are logged in, where that makes a difference: a stranger's, the owner's.
LOGGED_IN: dict[str, tuple[int, int]] = {
    GUEST: (200, 200),
    "POST /api/users/me/tokens": (201, 201),
    "DELETE /api/users/me": (422, 422),  # the password is wrong
    "POST /api/library/{gen_id}/cancel-tag": (200, 200),  # their own suggestion
    **dict.fromkeys(("GET /users/register", "POST /users/register", "GET /users/log-in", "GET /users/log_in"), (302, 302)),
    "GET /users/settings": (200, 200),
    **dict.fromkeys(("PUT /users/settings", "POST /users/settings"), (400, 400)),  # the form does not say what to change
}  # fmt: skip
# Handshakes of WebSockets.
SOCKETS: dict[str, Row] = {"GET /socket/websocket": (101, 403, 101, 101, 101)}
MATRIX |= SOCKETS
# What is named must be there until all else was called.
MATRIX = dict(sorted(MATRIX.items(), key=lambda item: item[0].startswith("DELETE")))
# These come last: nobody is logged in after them.
LOG_OUTS = _rows({_everybody(302): "POST /users/log-out DELETE /users/log-out"})
PAGES |= LOG_OUTS
MATRIX |= LOG_OUTS
PUBLIC_ROUTES = {
    "GET /health", "GET /config", "GET /schemas/daw-manifest.json", "GET /.well-known/{path}",
    "GET /assets/style.css", "GET /assets/drops.js", "GET /studio/assets/{name}",
    "GET /assets/icon.svg", "GET /favicon.ico", "GET /studio/worker.js", "GET /studio/manifest.webmanifest", "POST /api/tokens",
    "GET /api/shared/{secret}", "GET /api/shared/{secret}/audio", "GET /api/shared/{secret}/waveform", "GET /api/shared/{secret}/cover",
    "GET /api/shared/{secret}/stems/{stem_id}/segments/{index}", "GET /api/shared/{secret}/stems/{stem_id}/waveform",
}  # fmt: skip
"""Nobody is asked who they are, so that a session or token that does not count does no harm."""
BODIES: dict[str, Any] = {
    "POST /api/tokens": {"email": "owner@example.org"},
    "PATCH /api/admin/users/{user_id}": {"status": "active"},
    "POST /api/users/me/tokens": {"name": "script"},
    "DELETE /api/users/me": {"current_password": "not the password"},
    "POST /api/uploads": {"filename": "song.wav", "size_bytes": 1000},
    "POST /api/uploads/{upload_id}/parts": {"part_numbers": [1]},
    "POST /api/setlists": {"name": "Friday night"},
    "PATCH /api/setlists/{setlist_id}": {"track_ids": ["{track_id}"]},
    "POST /api/agents/chat": {"message": "Which key?", "track_id": "{track_id}"},
    "PATCH /api/tracks/{track_id}": {"title": "Tune"},
    "POST /api/tracks/batch": {"changes": [{"track_id": "{track_id}", "title": "Tune"}]},
    "POST /api/webhooks": {"url": "{url}"},
    "PATCH /api/webhooks/{webhook_id}": {"description": "mine"},
    "POST /api/spotify/fetch": {"url": "spotify:track:{spotify_id}"},
    "POST /api/spotify/import": {"url": "spotify:track:{spotify_id}"},
    "POST /api/download/preview": {"url": "{url}"},
    "POST /api/download/track": {"url": "{url}"},
    "PUT /api/lalalai/key": {"api_key": LALALAI_KEY},
    "POST /api/lalalai/cancel": {"task_id": "{lalalai_job_id}"},
    "POST /api/processing/batch": {"track_ids": ["{track_id}"], "model": "dsp"},
    "POST /api/processing/plan": {"track_ids": ["{track_id}"], "model": "dsp"},
    "POST /api/tracks/from-clip": {"clip_id": "{gen_id}"},
    "POST /generate": {"prompt": "slow cello", "duration": 1},
    "POST /api/library/{gen_id}/vote": {"vote": 1},
    "POST /api/library/votes": {"generation_ids": ["{gen_id}"]},
    "POST /api/library/{gen_id}/suggest-tag": {"category": "jazz"},
    "POST /api/library/{gen_id}/cancel-tag": {"category": "jazz"},
    "POST /api/favorites/check": {"generation_ids": ["{gen_id}"]},
    "POST /api/playlists": {"name": "Rainy days"},
    "PUT /api/playlists/{playlist_id}": {"name": "Sunny days"},
    "POST /api/playlists/{playlist_id}/tracks": {"generation_id": "{gen_id}"},
    "PUT /api/playlists/{playlist_id}/reorder": {"track_order": ["{gen_id}"]},
    "POST /rate": {"filename": "{filename}", "rating": 4},
}
QUERIES = {"GET /api/spotify/search": {"q": "tune"}}
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
REFUSALS_BELOW = {
    "/api/admin/jobs": {403: "ROLE_TOO_LOW", 409: "JOB_FINISHED"},
    "/api/admin/models": {403: "ROLE_TOO_LOW", 404: "MODEL_UNKNOWN"},
    "/api/admin": {403: "ROLE_TOO_LOW", 404: "ACCOUNT_NOT_FOUND"},
    "/api/agents/conversations": {404: "CONVERSATION_NOT_FOUND"},
    "/retry": {409: "JOB_NOT_FAILED"},
    "/api/lalalai": {404: "TASK_NOT_FOUND"},
    "/api/setlists": {404: "SETLIST_NOT_FOUND"},
    "/api/sessions": {404: "SESSION_NOT_FOUND"},
    "/export/click": {404: "ANALYSIS_NOT_FOUND"},
    "/export/lyrics": {404: "ANALYSIS_NOT_FOUND"},
    "/api/users/me": {403: "SESSION_NEEDED"},
    "/api/tokens": {404: "TOKEN_NOT_FOUND", 422: "VALIDATION_ERROR"},
    "/api/uploads": {409: "DIRECT_UPLOADS_UNAVAILABLE"},
    "/api/webhooks/deliveries": {404: "DELIVERY_NOT_FOUND", 409: "WEBHOOK_DISABLED"},
    "/api/webhooks": {404: "WEBHOOK_NOT_FOUND", 409: "WEBHOOK_DISABLED"},
}
UPLOADS = ("POST /api/tracks", "POST /tracks", "POST /process")
REFUSALS = {401: "UNAUTHORIZED", 403: "ACCESS_DENIED", 404: "TRACK_NOT_FOUND", 409: "JOB_FINISHED"}
SONG = encoded(song(0.5))
PICTURE = jpeg(16, 16)
SONG_WITH_COVER = by_ffmpeg(song(0.5), "mp4", "aac", cover=True)


def client(base_url: str, token: str = "", cookie: str = "") -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=base_url, headers=headers | ({"Cookie": cookie} if cookie else {}), timeout=120)


def is_read(route: str) -> bool:
    return route.startswith("GET ")


def call(
    caller: httpx.Client, route: str, belongings: dict[str, dict[str, str]], csrf_token: str = ""
) -> httpx.Response:
    method, template = route.split(" ")
    parameters: dict[str, str] = {}
    for beginning in sorted(belongings, key=len):
        if template.startswith(beginning):
            parameters |= belongings[beginning]
    path, query = template.format(**parameters), QUERIES.get(route)
    body: dict[str, Any] = {}
    if route in SOCKETS:
        origin = str(caller.base_url).removesuffix("/")
        with caller.stream(method, path, params=query, headers={**HANDSHAKE, "Origin": origin}) as shaken:
            return shaken
    if route in PAGES and route not in UPLOADS:
        body = {} if method == "GET" else {"data": {"return_to": "/"}}
    elif route in UPLOADS:
        body = {"files": {"file": ("song.wav", SONG)}}
    elif route == "PUT /api/tracks/{track_id}/cover":
        body = {"content": PICTURE}
    elif route == "POST /api/daw/export":
        body = {"data": {"track_id": parameters["track_id"]}, "files": {"stems[]": ("song.wav", SONG)}}
    elif route in BODIES:
        text = json.dumps(BODIES[route])
        for name, value in parameters.items():
            text = text.replace(f"{{{name}}}", value)
        body = {"content": text, "headers": {"content-type": "application/json"}}
    elif method == "POST" and route not in SOUNDBOX:
        body = {"json": {"track_id": parameters["track_id"]} | ({"model": "dsp"} if "separate" in template else {})}
    if csrf_token:
        body["headers"] = {**body.get("headers", {}), "X-CSRF-Token": csrf_token}
    cookies = httpx.Cookies(caller.cookies)
    answer = caller.request(method, path, params=query, **body)
    if route == GUEST:  # who would stay logged in to the new account
        caller.cookies = cookies
    return answer
