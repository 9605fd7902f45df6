"""Who may call what: a row for each route, with the status that each kind of caller gets, and how to make the call."""

from __future__ import annotations

import json
from typing import Any

import httpx
from stories import encoded, song

from tests.simulators.lalalai import KEY as LALALAI_KEY

CALLERS = ("anonymous", "wrong token", "stranger", "administrator", "owner")
"""Those with columns of their own, known by a token or by nothing. What the suspended and those in browsers get follows."""
PUBLIC = (200, 200, 200, 200, 200)
ACCOUNTS = (401, 401, 200, 200, 200)
ADMINS = (401, 401, 403, 200, 403)

UNREACHABLE = (401, 401, 409, 409, 409)

OPEN = (200, 401, 200, 200, 200)
NAMED = (400, 401, 200, 200, 200)  # under open access, a user_id says who calls
OWNERS = (404, 401, 404, 404, 200)

# What each caller gets where the path or body names something of the owner's. The stack runs with open access, which
# lets callers without a name into the pipeline dialect. An administrator is a stranger like any other here.
MATRIX: dict[str, tuple[int, int, int, int, int]] = {
    "GET /health": PUBLIC,
    "GET /livez": PUBLIC,
    "GET /readyz": PUBLIC,
    "GET /metrics": PUBLIC,  # to callers on this machine
    "GET /config": PUBLIC,
    "GET /schemas/daw-manifest.json": PUBLIC,
    "GET /api/tracks": ACCOUNTS,
    "POST /api/tracks": (401, 401, 201, 201, 201),
    "POST /api/tracks/from-clip": (401, 401, 201, 201, 201),  # clips are everybody's
    "GET /api/tracks/{track_id}": (401, 401, 404, 404, 200),
    "PATCH /api/tracks/{track_id}": (401, 401, 404, 404, 200),
    "GET /api/tracks/{track_id}/stems": (401, 401, 404, 404, 200),
    "GET /api/stems/{stem_id}/segments/{index}": (401, 401, 403, 403, 200),
    "GET /api/stems/{stem_id}/waveform": (401, 401, 403, 403, 200),
    "GET /api/stems/{stem_id}/spectrogram/{tile}": (401, 401, 403, 403, 200),
    "DELETE /api/tracks/{track_id}": (401, 401, 404, 404, 204),
    # This stack keeps files in a folder, which clients cannot reach.
    "POST /api/uploads": UNREACHABLE,
    "GET /api/uploads/{upload_id}": UNREACHABLE,
    "POST /api/uploads/{upload_id}/parts": UNREACHABLE,
    "POST /api/uploads/{upload_id}/complete": UNREACHABLE,
    "DELETE /api/uploads/{upload_id}": UNREACHABLE,
    "POST /api/processing/separate": (401, 401, 404, 404, 201),
    "GET /api/processing/job/{job_id}": (401, 401, 403, 403, 200),
    "POST /api/processing/batch": (401, 401, 404, 404, 201),
    "GET /api/processing/batch/{job_id}": (401, 401, 403, 403, 200),
    "GET /api/processing/models": ACCOUNTS,
    "GET /api/lalalai/quota": ACCOUNTS,
    "PUT /api/lalalai/key": ACCOUNTS,
    "DELETE /api/lalalai/key": (401, 401, 204, 204, 204),  # of their own, if they have one
    "POST /api/lalalai/cancel": (401, 401, 404, 404, 200),
    "POST /api/lalalai/cancel-all": ACCOUNTS,
    "POST /api/analysis/analyze": (401, 401, 404, 404, 201),
    "GET /api/analysis/job/{job_id}": (401, 401, 403, 403, 200),
    "GET /api/analysis/{track_id}": (401, 401, 404, 404, 200),
    "POST /api/spotify/fetch": ACCOUNTS,
    "GET /api/spotify/search": ACCOUNTS,
    "GET /api/spotify/track/{spotify_id}": ACCOUNTS,
    "POST /api/spotify/import": (401, 401, 201, 201, 201),
    "POST /api/download/preview": ACCOUNTS,
    "POST /api/download/track": (401, 401, 201, 201, 201),
    "GET /api/download/job/{job_id}": (401, 401, 403, 403, 200),
    "POST /api/tokens": (422, 422, 422, 422, 422),  # the password in the body, which lacks here, says who calls
    "GET /api/tokens": ACCOUNTS,
    "DELETE /api/tokens/{token_id}": (401, 401, 404, 404, 404),  # nobody's
    "POST /api/users/me/tokens": (401, 401, 403, 403, 403),  # browsers only
    "GET /api/users/me/storage": ACCOUNTS,
    "GET /api/sessions": ACCOUNTS,
    "DELETE /api/sessions": (401, 401, 204, 204, 204),  # all browsers of the account
    "DELETE /api/sessions/{session_id}": (401, 401, 404, 404, 404),  # nobody's
    "GET /api/connections": ACCOUNTS,
    "DELETE /api/connections/{provider}": (401, 401, 204, 204, 204),
    "GET /api/admin/users": ADMINS,
    "PATCH /api/admin/users/{user_id}": (401, 401, 403, 404, 403),  # nobody
    "GET /api/admin/audit": ADMINS,
    "GET /api/admin/jobs": ADMINS,
    "DELETE /api/admin/jobs/{job_id}": (401, 401, 403, 409, 403),  # it has ended
    "GET /api/admin/components": ADMINS,
    "GET /api/admin/queues": ADMINS,
    "GET /api/admin/storage": ADMINS,
    "GET /api/admin/models": ADMINS,
    "POST /api/admin/models/{component}/{name}/fetch": (401, 401, 403, 404, 403),  # no component
    "GET /api/admin/llm/health": ADMINS,
    "POST /api/agents/chat": (401, 401, 404, 404, 200),
    "GET /api/agents/conversations": ACCOUNTS,
    "GET /api/agents/conversations/{conversation_id}": (401, 401, 404, 404, 200),
    "DELETE /api/agents/conversations/{conversation_id}": (401, 401, 404, 404, 204),
    "GET /api/webhooks": ACCOUNTS,
    "POST /api/webhooks": (401, 401, 201, 201, 201),
    "GET /api/webhooks/{webhook_id}": (401, 401, 404, 404, 200),
    "PATCH /api/webhooks/{webhook_id}": (401, 401, 404, 404, 200),
    "POST /api/webhooks/{webhook_id}/secret": (401, 401, 404, 404, 200),
    "POST /api/webhooks/{webhook_id}/test": (401, 401, 404, 404, 409),  # it is disabled
    "GET /api/webhooks/{webhook_id}/deliveries": (401, 401, 404, 404, 200),
    "POST /api/webhooks/deliveries/{delivery_id}/replay": (401, 401, 404, 404, 409),  # as above
    "DELETE /api/webhooks/{webhook_id}": (401, 401, 404, 404, 204),
    "GET /api/jobs": ACCOUNTS,
    "GET /api/jobs/{job_id}": (401, 401, 403, 403, 200),
    "DELETE /api/jobs/{job_id}": (401, 401, 403, 403, 409),  # it has ended
    "POST /api/jobs/{job_id}/retry": (401, 401, 403, 403, 409),  # it has succeeded
    "GET /export/stem/{stem_id}": (401, 401, 403, 403, 200),
    "GET /export/stems/{track_id}": (401, 401, 403, 403, 200),
    "GET /export/analysis/{track_id}": (401, 401, 403, 403, 200),
    "POST /api/export/stems": (401, 401, 404, 404, 201),
    "GET /api/export/job/{job_id}": (401, 401, 403, 403, 200),
    "GET /export/archive/{job_id}": (401, 401, 403, 403, 200),
    "GET /files/{path}": (401, 401, 404, 404, 200),
    "POST /api/daw/export": (401, 401, 404, 404, 200),
    "POST /process": (200, 401, 200, 200, 200),
    "GET /job/{job_id}": (404, 401, 404, 404, 200),
    "GET /job/{job_id}/outputs": (404, 401, 404, 404, 200),
    "GET /download/{job_id}/all": (404, 401, 404, 404, 200),
    "GET /download/{job_id}/{track_name}": (404, 401, 404, 404, 200),
}
# The same for the soundbox dialect, whose clips are everybody's. The rows are called in this order.
SOUNDBOX: dict[str, tuple[int, int, int, int, int]] = {
    "POST /generate": OPEN,
    "GET /status": OPEN,
    "GET /queue-status": OPEN,
    "GET /api/queue": OPEN,
    "POST /api/queue/{job_id}/cancel": (400, 401, 403, 403, 400),  # it has ended
    "GET /api/library": OPEN,
    "GET /api/library/counts": OPEN,
    "GET /api/library/category-counts": OPEN,
    "GET /api/library/{gen_id}": OPEN,
    "POST /api/library/{gen_id}/vote": NAMED,
    "POST /api/library/votes": NAMED,
    "GET /api/library/{gen_id}/feedback": OPEN,
    "POST /api/library/{gen_id}/suggest-tag": (200, 401, 200, 200, 400),  # three have agreed
    "POST /api/library/{gen_id}/cancel-tag": (400, 401, 400, 400, 400),
    "GET /api/library/{gen_id}/tag-suggestions": OPEN,
    "GET /api/categories/{model}": OPEN,
    "GET /api/favorites": NAMED,
    "POST /api/favorites/check": NAMED,
    "POST /api/favorites/{gen_id}": NAMED,
    "DELETE /api/favorites/{gen_id}": NAMED,
    "GET /api/radio": OPEN,
    "GET /api/radio/shuffle": OPEN,
    "GET /api/radio/next": OPEN,
    "GET /api/radio/favorites": NAMED,
    "GET /api/radio/top-rated": OPEN,
    "GET /api/radio/new": OPEN,
    "GET /api/radio/playlist/{playlist_id}": OWNERS,
    "POST /api/playlists": (201, 401, 201, 201, 201),
    "GET /api/playlists": OPEN,
    "GET /api/playlists/{playlist_id}": OWNERS,
    "PUT /api/playlists/{playlist_id}": OWNERS,
    "POST /api/playlists/{playlist_id}/tracks": OWNERS,
    "PUT /api/playlists/{playlist_id}/reorder": OWNERS,
    "DELETE /api/playlists/{playlist_id}/tracks/{gen_id}": OWNERS,
    "DELETE /api/playlists/{playlist_id}": OWNERS,
    "POST /api/track/{gen_id}/play": OPEN,
    "GET /api/track/{gen_id}/stats": OPEN,
    "GET /api/trending": OPEN,
    "GET /api/most-played": OPEN,
    "GET /api/history/plays": OPEN,
    "GET /api/history/votes": OPEN,
    "GET /api/library/{gen_id}/waveform": OPEN,
    "GET /audio/{filename}": OPEN,
    "GET /download/{filename}": OPEN,
    "GET /spectrogram/{filename}": OPEN,
    "GET /generate-spectrogram/{audio_filename}": OPEN,
    "GET /history": OPEN,
    "POST /rate": OPEN,
    "POST /random-prompt": OPEN,
    "POST /api/log-error": OPEN,
    "GET /api/stats": OPEN,
    "DELETE /api/library/{gen_id}": (403, 401, 403, 200, 404),  # administrators may
}
MATRIX |= SOUNDBOX
EVERYBODY = (200,) * 5
SENT_ON = (302,) * 5
GUEST = "POST /api/users/guest"
# Pages do not take tokens: here the callers are a visitor five times. What browsers get that are logged in is below.
PAGES: dict[str, tuple[int, int, int, int, int]] = {
    "GET /": SENT_ON,
    "GET /assets/style.css": EVERYBODY,
    "GET /assets/icon.svg": EVERYBODY,
    "GET /favicon.ico": EVERYBODY,
    "GET /studio": EVERYBODY,
    "GET /studio/{path}": EVERYBODY,
    "GET /studio/assets/{name}": (404,) * 5,  # the names of real ones change
    "GET /jobs": EVERYBODY,
    "GET /tracks": EVERYBODY,
    "POST /tracks": SENT_ON,
    "GET /tracks/{track_id}/audio": (404,) * 5,
    "GET /jobs/{job_id}/files/{name}": (403,) * 5,
    "GET /auth/spotify": SENT_ON,
    "GET /auth/spotify/callback": SENT_ON,
    GUEST: (201,) * 5,
    "GET /users/register": EVERYBODY,
    "POST /users/register": EVERYBODY,  # the form again
    "GET /users/log-in": EVERYBODY,
    "GET /users/log_in": EVERYBODY,
    "GET /users/log-in/{token}": EVERYBODY,
    "POST /users/log-in": SENT_ON,
    "POST /users/log_in": SENT_ON,
    "GET /users/confirm/{token}": EVERYBODY,
    "POST /users/confirm/{token}": SENT_ON,
    "GET /users/settings/confirm-email/{token}": EVERYBODY,
    "POST /users/settings/confirm-email/{token}": SENT_ON,
    "GET /users/settings": SENT_ON,
    "PUT /users/settings": SENT_ON,
    "POST /users/settings": SENT_ON,
}
MATRIX |= PAGES
# The same pages for browsers that are logged in, where that makes a difference: a stranger's, the owner's.
LOGGED_IN: dict[str, tuple[int, int]] = {
    GUEST: (200, 200),
    "POST /api/users/me/tokens": (201, 201),
    "POST /api/library/{gen_id}/cancel-tag": (200, 200),  # their own suggestion
    "GET /tracks/{track_id}/audio": (404, 200),
    "GET /jobs/{job_id}/files/{name}": (403, 200),
    "GET /users/register": (302, 302),
    "POST /users/register": (302, 302),
    "GET /users/log-in": (302, 302),
    "GET /users/log_in": (302, 302),
    "GET /users/settings": (200, 200),
    "PUT /users/settings": (400, 400),  # the form does not say what to change
    "POST /users/settings": (400, 400),
}
# Handshakes of WebSockets.
SOCKETS: dict[str, tuple[int, int, int, int, int]] = {
    "GET /socket/websocket": (101, 403, 101, 101, 101),
}
MATRIX |= SOCKETS
# These come last: nobody is logged in after them.
LOG_OUTS = {"POST /users/log-out": SENT_ON, "DELETE /users/log-out": SENT_ON}
PAGES |= LOG_OUTS
MATRIX |= LOG_OUTS
PUBLIC_ROUTES = {
    "GET /health", "GET /livez", "GET /readyz", "GET /metrics", "GET /config", "GET /schemas/daw-manifest.json",
    "GET /assets/style.css", "GET /studio/assets/{name}",
    "GET /assets/icon.svg", "GET /favicon.ico", "POST /api/tokens",
}  # fmt: skip
"""Nobody is asked who they are, so that a session or token that does not count does no harm."""
BODIES: dict[str, Any] = {
    "POST /api/tokens": {"email": "owner@example.org"},
    "PATCH /api/admin/users/{user_id}": {"status": "active"},
    "POST /api/users/me/tokens": {"name": "script"},
    "POST /api/uploads": {"filename": "song.wav", "size_bytes": 1000},
    "POST /api/uploads/{upload_id}/parts": {"part_numbers": [1]},
    "POST /api/agents/chat": {"message": "Which key?", "track_id": "{track_id}"},
    "PATCH /api/tracks/{track_id}": {"title": "Tune"},
    "POST /api/webhooks": {"url": "{url}"},
    "PATCH /api/webhooks/{webhook_id}": {"description": "mine"},
    "POST /api/spotify/fetch": {"url": "spotify:track:{spotify_id}"},
    "POST /api/spotify/import": {"url": "spotify:track:{spotify_id}"},
    "POST /api/download/preview": {"url": "{url}"},
    "POST /api/download/track": {"url": "{url}"},
    "PUT /api/lalalai/key": {"api_key": LALALAI_KEY},
    "POST /api/lalalai/cancel": {"task_id": "{lalalai_job_id}"},
    "POST /api/processing/batch": {"track_ids": ["{track_id}"], "model": "dsp"},
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
    "/api/sessions": {404: "SESSION_NOT_FOUND"},
    "/api/users/me/tokens": {403: "SESSION_NEEDED"},
    "/api/tokens": {404: "TOKEN_NOT_FOUND", 422: "VALIDATION_ERROR"},
    "/api/uploads": {409: "DIRECT_UPLOADS_UNAVAILABLE"},
    "/api/webhooks/deliveries": {404: "DELIVERY_NOT_FOUND", 409: "WEBHOOK_DISABLED"},
    "/api/webhooks": {404: "WEBHOOK_NOT_FOUND", 409: "WEBHOOK_DISABLED"},
}
UPLOADS = ("POST /api/tracks", "POST /tracks", "POST /process")
REFUSALS = {401: "UNAUTHORIZED", 403: "ACCESS_DENIED", 404: "TRACK_NOT_FOUND", 409: "JOB_FINISHED"}
SONG = encoded(song(0.5))


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
