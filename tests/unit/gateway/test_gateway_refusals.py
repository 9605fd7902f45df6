"""What the gateway refuses by itself, in the words of each dialect. The services behind it find nothing."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from test_gateway_edge import USER, Site

from soundwright.services.gateway.callers.rate_limits import RateClass

UNKNOWN = "01234567-89ab-4cde-8f01-23456789abcd"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    built = Site(tmp_path_factory.mktemp("site"), dict.fromkeys(RateClass, 1_000_000))
    yield built
    built.gateway.reencoder.slots.close()


@pytest.fixture(scope="module")
def forge(site: Site) -> httpx.AsyncClient:
    client = site.client()
    client.headers.update(USER)
    return client


@pytest.fixture(scope="module")
def box(site: Site) -> httpx.AsyncClient:
    return site.client("soundbox")


def is_refused(answer: httpx.Response, status: int, error: str | None = None, *, success: bool = False) -> None:
    """Require the shape of the soundbox dialect: ``{"error"}``, and where the contract shows it ``success: false``."""
    body = answer.json()
    assert (answer.status_code, set(body)) == (status, {"success", "error"} if success else {"error"}), answer.text
    assert body.get("success", False) is False
    assert error is None or body["error"] == error


# -------------------------------------------------------------------------------------------------------- forge: fields

SEPARATE, TRACK, BATCH = "POST /api/processing/separate", f"PATCH /api/tracks/{UNKNOWN}", "POST /api/processing/batch"
HOOK = "https://example.org/"
# The query or JSON body of a request, and the field that the refusal names.
FIELDS: dict[str, list[tuple[Any, str]]] = {
    "GET /api/tracks": [
        ("sort=loudest", "sort"), ("sort=title;DROP TABLE tracks", "sort"), ("order=up", "order"), ("status=gone", "status"),
        ("bpm_min=fast", "bpm_min"), ("bpm_min=nan", "bpm_min"), ("bpm_max=inf", "bpm_max"), ("bpm_max=0x10", "bpm_max"),
        ("page=0", "page"), ("page=1.5", "page"), ("page=-1", "page"), ("page=x", "page"), ("page=" + "9" * 30, "page"),
        ("page_size=0", "page_size"), ("page_size=101", "page_size"), ("page_size=many", "page_size"), ("q=" + "x" * 501, "q"),
    ],
    "GET /api/jobs": [
        ("sort=loudest", "sort"), ("page=0", "page"), ("page_size=101", "page_size"), ("status=gone", "status"),
        ("type=cooking", "type"),
    ],
    "GET /api/spotify/search": [
        ("", "q"), ("q=", "q"), ("q=" + "x" * 201, "q"), ("q=x&page_size=51", "page_size"), ("q=x&page=0", "page"),
    ],
    f"GET /api/stems/{UNKNOWN}/waveform": [
        (f"samples_per_pixel={value}", "samples_per_pixel")
        for value in ("0", "255", "257", "768", "-256", "33554432", "1e3", "x", "", "9" * 5000)
    ],
    f"GET /api/stems/{UNKNOWN}/spectrogram/0": [("columns_per_pixel=3", "columns_per_pixel")],
    **{f"GET /api/stems/{UNKNOWN}/segments/{index}": [("", "index")] for index in ("-1", "1.5", "x", "9" * 5000)},
    SEPARATE: [
        ({}, "track_id"), ({"track_id": None}, "track_id"), ({"track_id": ""}, "track_id"), ({"track_id": 7}, "track_id"),
        ({"track_id": {"$ne": 1}}, "track_id"),
        *(({"track_id": UNKNOWN, "model": value}, "model") for value in (7, None, ["dsp"], {"a": 1})),
        ({"track_id": UNKNOWN, "engine": 7}, "engine"), ({"track_id": UNKNOWN, "format": []}, "format"),
        ({"track_id": UNKNOWN, "stems": {"vocals": 1}}, "stems"), ({"track_id": UNKNOWN, "stems": ["vocals"] * 33}, "stems"),
        ({"track_id": UNKNOWN, "chain": [{"stem": "vocals"}]}, "chain"), ({"track_id": UNKNOWN, "chain": "vocals"}, "chain"),
    ],
    BATCH: [
        ({"track_ids": ids}, "track_ids")
        for ids in ([], None, "x", [UNKNOWN] * 101, [1], ["a" * 101], [{"id": "x"}])
    ],
    "POST /api/analysis/analyze": [
        ({}, "track_id"),
        *(({"track_id": UNKNOWN, "features": value}, "features") for value in (7, {"a": 1}, [["tempo"]], [7], ["tempo"] * 51)),
    ],
    TRACK: [
        ({"title": 7}, "title"), ({"artist": ["x"]}, "artist"),
        ({"bpm": "fast"}, "bpm"), ({"bpm": True}, "bpm"), ({"bpm": "nan"}, "bpm"), ({"bpm": [120]}, "bpm"), ({"key": 5}, "key"),
        ({"tags": [1]}, "tags"), ({"tags": {"a": 1}}, "tags"),
    ],
    "POST /api/spotify/fetch": [({"url": url}, "url") for url in (None, 5, ["x"], "", "x" * 2001)],
    "POST /api/download/track": [({}, "url"), ({"track_id": UNKNOWN, "url": HOOK}, "url")],
    "POST /api/agents/chat": [
        *(({"message": text}, "message") for text in ("", " \n", "x" * 4001, 3)), ({}, "message"),
        ({"message": "Hi", "track_ids": "no list"}, "track_ids"),
    ],
    "POST /api/webhooks": [
        ({}, "url"), ({"url": 5}, "url"), ({"url": HOOK, "events": []}, "events"), ({"url": HOOK, "events": "*"}, "events"),
        ({"url": HOOK, "description": "x" * 201}, "description"),
    ],
    "POST /api/tracks/batch": [
        ({}, "body"), ({"deletions": [UNKNOWN, UNKNOWN.upper()]}, "body"),
        ({"changes": [{"track_id": UNKNOWN, "title": "Tune"}], "deletions": [UNKNOWN.replace("-", "")]}, "body"),
        ({"changes": [{"track_id": str(each)} for each in range(51)], "deletions": [*map(str, range(50, 100))]}, "body"),
        ({"deletions": [*map(str, range(101))]}, "deletions"), ({"changes": [{"title": "Tune"}]}, "changes"),
        ({"changes": [{"track_id": UNKNOWN, "bpm": "fast"}]}, "changes"),
    ],
    "POST /api/tracks/from-clip": [({}, "clip_id"), ({"clip_id": ["x"]}, "clip_id")],
    "POST /api/export/stems": [({"format": "flac"}, "track_id")],
    "PUT /api/lalalai/key": [
        ({"api_key": key}, "api_key") for key in ("", "short", "two words, one key", "x" * 201, "nötig-nötig", None)
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("route", "sent", "field"),
    [(route, sent, field) for route, rows in FIELDS.items() for sent, field in rows],
    ids=lambda value: repr(value)[:60],
)
async def test_a_field_that_does_not_fit_is_named(forge: httpx.AsyncClient, route: str, sent: Any, field: str) -> None:
    method, path = route.split(" ")
    if isinstance(sent, str):
        answer = await forge.request(method, f"{path}?{sent}")
    else:
        answer = await forge.request(method, path, content=json.dumps(sent), headers={"content-type": JSON})
    body = answer.json()
    assert (answer.status_code, body["code"], list(body["details"])) == (422, "VALIDATION_ERROR", [field])
    assert body["error"] == "validation failed"


BODIES: dict[str, tuple[bytes, str, int]] = {
    "no JSON": (b"{", JSON, 400), "not UTF-8": (b'{"track_id": "\xff"}', JSON, 400),
    "half a surrogate pair": (rb'{"track_id": "\ud800", "prompt": "\uDC00"}', JSON, 400),
    "NaN": (b'{"track_id": NaN}', JSON, 400), "list": (b"[]", JSON, 400), "string": (b'"track"', JSON, 400),
    "null": (b"null", JSON, 400), "deep": (b"[" * 100_000, JSON, 400),
    "deep inside": (b'{"prompt": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}", JSON, 400),
    "a number without end": (b'{"track_id": ' + b"9" * 10_000 + b"}", JSON, 400),
    "huge": (b'{"track_id": "' + b"a" * 2**21 + b'"}', JSON, 413), "text": (b'{"track_id": "rain"}', "text/plain", 415),
    "XML": (b"<track/>", "application/xml", 415),
}  # fmt: skip
INFINITY = (b'{"prompt": "rain", "duration": 1e999}', JSON, 400)
CODES = {400: "BAD_REQUEST", 413: "TOO_LARGE", 415: "UNSUPPORTED_MEDIA_TYPE"}


@pytest.mark.parametrize("path", ["/api/processing/separate", "/api/analysis/analyze"])
@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_is_no_json_object_is_refused(forge: httpx.AsyncClient, path: str, name: str) -> None:
    body, kind, status = BODIES[name]
    answer = await forge.post(path, content=body, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["code"]) == (status, CODES[status])


@pytest.mark.parametrize("form", [b"a=1&" * 1000, b"track_id=\xff"])
async def test_a_form_that_cannot_be_read_is_refused(forge: httpx.AsyncClient, form: bytes) -> None:
    answer = await forge.post("/api/processing/separate", content=form, headers={"content-type": FORM})
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_REQUEST")


async def test_every_api_route_takes_multipart_forms_and_their_method(forge: httpx.AsyncClient) -> None:
    fields = {"track_id": (None, "no ID")}
    answer = await forge.post("/api/processing/separate", files=fields)
    assert (answer.status_code, answer.json()["code"]) == (404, "TRACK_NOT_FOUND")
    for sent in ({"data": {"_method": "delete"}}, {"files": {"_method": (None, "DELETE")}}):
        answer = await forge.post(f"/api/tracks/{UNKNOWN}", **sent)
        assert (answer.status_code, answer.json()["code"]) == (404, "TRACK_NOT_FOUND")
    for files in ({"track_id": ("a.wav", b"RIFF")}, {f"f{number}": (None, "x") for number in range(201)}):
        answer = await forge.post("/api/processing/separate", files=files)
        assert (answer.status_code, answer.json()["code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("key", ["x" * 256, "a\tb"])
async def test_strange_idempotency_keys_are_refused(forge: httpx.AsyncClient, box: httpx.AsyncClient, key: str) -> None:
    headers = {"Idempotency-Key": key}
    answer = await forge.post("/api/processing/separate", headers=headers, json={"track_id": UNKNOWN})
    assert (answer.status_code, answer.json()["code"]) == (400, "IDEMPOTENCY_KEY_INVALID")
    is_refused(await box.post("/generate", json={"prompt": "rain"}, headers=headers), 400, success=True)


# ------------------------------------------------------------------------------------------------------------------ IDs

ODD_IDS = [
    "0", "-1", "null", "%ff%fe", "%F0%9F%8E%B8", "' OR 1=1 --", '{"$gt":""}', "*", "a" * 4000, "%2e%2e",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "a1b2c3d4-e5f6-g7h8-i9j0-k1l2m3n4o5p6",
]  # fmt: skip
BY_ID = {
    "GET /api/tracks/{}": "TRACK_NOT_FOUND", "PATCH /api/tracks/{}": "TRACK_NOT_FOUND",
    "DELETE /api/tracks/{}": "TRACK_NOT_FOUND", "GET /api/tracks/{}/stems": "TRACK_NOT_FOUND",
    "GET /api/tracks/{}/waveform": "TRACK_NOT_FOUND",
    "GET /api/analysis/{}": "TRACK_NOT_FOUND", "GET /api/jobs/{}": "JOB_NOT_FOUND",
    "DELETE /api/jobs/{}": "JOB_NOT_FOUND", "GET /api/processing/job/{}": "JOB_NOT_FOUND",
    "GET /api/analysis/job/{}": "JOB_NOT_FOUND", "GET /api/stems/{}/segments/0": "STEM_NOT_FOUND",
    "GET /api/stems/{}/waveform": "STEM_NOT_FOUND", "GET /export/stem/{}": "STEM_NOT_FOUND",
    "GET /export/stems/{}": "TRACK_NOT_FOUND", "GET /export/analysis/{}": "TRACK_NOT_FOUND",
    "GET /export/midi/{}": "TRACK_NOT_FOUND", "GET /export/project/{}": "TRACK_NOT_FOUND",
    "GET /files/downloads/{}/song.wav": "TRACK_NOT_FOUND", "GET /files/stems/{}/vocals.flac": "JOB_NOT_FOUND",
    "GET /job/{}": "Job not found", "GET /job/{}/outputs": "Job not found", "GET /download/{}/all": "Job not found",
    "GET /download/{}/vocals": "Track not found",
}  # fmt: skip
BOX_BY_ID = {
    "GET /job/{}": "Job not found", "POST /api/queue/{}/cancel": "Job not found", "GET /api/library/{}": "Not found",
    "DELETE /api/library/{}": "Not found", "POST /api/library/{}/vote": "Not found",
    "GET /api/library/{}/feedback": "Not found", "GET /api/library/{}/tag-suggestions": "Generation not found",
    "POST /api/favorites/{}": "Not found", "POST /api/track/{}/play": "Not found",
    "GET /api/track/{}/stats": "Not found", "GET /api/playlists/{}": "Playlist not found",
    "PUT /api/playlists/{}": "Playlist not found", "DELETE /api/playlists/{}": "Playlist not found",
    "GET /api/radio/playlist/{}": "Playlist not found",
}  # fmt: skip


@pytest.mark.parametrize("route", BY_ID)
async def test_an_id_that_is_none_is_not_found(forge: httpx.AsyncClient, route: str) -> None:
    method, path = route.split(" ")
    for value in ODD_IDS:
        answer = await forge.request(method, path.format(value), json={"title": "x"} if method == "PATCH" else None)
        assert answer.status_code == 404, (value, answer.text)
        body = answer.json()
        if value.startswith("%2e") and body.get("code") != BY_ID[route]:
            continue  # more than one segment: another route, or none
        assert BY_ID[route] in (body.get("code"), body.get("detail")), value


@pytest.mark.parametrize("route", BOX_BY_ID)
async def test_an_id_of_soundbox_that_is_none_is_not_found(box: httpx.AsyncClient, route: str) -> None:
    method, path = route.split(" ")
    for value in ODD_IDS:
        if value.startswith("%2e") and (path.endswith("{}") or "%2f" in value):
            continue  # clients and servers may take it for the folder above
        body = {"user_id": "u", "vote": 1} if method in ("POST", "PUT") else None
        is_refused(await box.request(method, path.format(value), json=body), 404, BOX_BY_ID[route])


@pytest.mark.parametrize("path", ["/api/processing/separate", "/api/analysis/analyze", "/api/export/stems"])
@pytest.mark.parametrize("value", ["0", "../../etc/passwd", "\0", "🎸", "a" * 4000, '{"$gt":""}'])
async def test_a_track_whose_id_is_none_is_not_found(forge: httpx.AsyncClient, path: str, value: str) -> None:
    answer = await forge.post(path, json={"track_id": value})
    assert (answer.status_code, answer.json()["code"]) == (404, "TRACK_NOT_FOUND")


# ------------------------------------------------------------------------------------------------------------- soundbox

CLIP = UNKNOWN.replace("-", "")
RAIN = {"prompt": "rain"}
RATING = "Rating must be 1-5 or null"
VOTE = "vote must be -1, 0, or 1"
IDS = "generation_ids must be a list with max 100 items"
ME = {"user_id": "u"}
# The path, the JSON body, and the sentence of the refusal.
BOX_VALUES: list[tuple[str, Any, str | None]] = [
    ("/generate", {}, "Prompt is required"),
    *(("/generate", {"prompt": text}, "Prompt is required") for text in (None, "  \n ", "\0\1\2")),
    *(("/generate", {"prompt": prompt}, "prompt must be a string") for prompt in (7, ["rain"], {"$ne": 1})),
    *(("/generate", {**RAIN, "duration": value}, "duration must be at least 1") for value in (0, -8, "0.5")),
    *(
        ("/generate", {**RAIN, "duration": value}, "duration must be a number")
        for value in (10**400, True, "long", "nan", [8])
    ),
    *(("/generate", {**RAIN, "model": model}, "Invalid model type") for model in ("tts", 1, ["music"])),
    *(("/generate", {**RAIN, "variations": count}, "variations must be from 1 to 8") for count in (0, 9)),
    ("/generate", {**RAIN, "variations": True}, "variations must be an integer"),
    *(("/generate", {**RAIN, "seed": seed}, "seed must be an integer") for seed in (1.5, "abc")),
    ("/generate", {**RAIN, "seed": 2**63}, None),
    *(("/generate", {**RAIN, "user_id": user}, "user_id must be a string") for user in (7, {"a": 1})),
    *(("{clip}/vote", {"vote": 1, **user}, "user_id required") for user in ({}, {"user_id": None}, {"user_id": "\0\n"})),
    ("{clip}/vote", {"vote": 5}, "user_id required"),
    *(("{clip}/vote", {**ME, "vote": vote}, VOTE) for vote in (2, "1", True, None, 0.5)),
    ("{clip}/vote", {**ME, "vote": 1, "suggested_model": "tts"}, 'suggested_model must be "music" or "audio"'),
    *(("{clip}/vote", {**ME, "vote": 1, "feedback_reasons": reasons}, None) for reasons in ("catchy", [1], ["a"] * 11)),
    ("{clip}/vote", {**ME, "vote": 1, "notes": "a" * 1001}, None),
    ("votes", {"generation_ids": []}, "user_id required"),
    *(("votes", {**ME, "generation_ids": ids}, IDS) for ids in ("abc", ["a"] * 101)),
    ("votes", {**ME, "generation_ids": [1]}, None),
    *(("/rate", body, "No filename") for body in ({}, {"rating": 4}, {"filename": None, "rating": 4})),
    ("/rate", {"filename": f"{CLIP}.wav"}, RATING),
    *(("/rate", {"filename": f"{CLIP}.wav", "rating": value}, RATING) for value in (6, "4", True, 2.5)),
    ("/rate", {"filename": f"../{CLIP}.wav", "rating": 4}, "Invalid filename"),
    *(("{clip}/suggest-tag", body, "Missing category") for body in ({}, {"category": None})),
    ("{clip}/suggest-tag", {"category": 7}, "category must be a string"),
    ("{clip}/suggest-tag", {"category": "jazz", "action": "x"}, 'action must be "add" or "remove"'),
    *(("/api/playlists", {**ME, **body}, None) for body in ({}, {"name": None}, {"name": 7})),
    *(("/api/playlists", {**ME, "name": "a", **body}, None) for body in ({"is_public": "x"}, {"description": []})),
    ("/api/playlists/pl_0123456789ab/tracks", ME, "generation_id is required"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "error"), BOX_VALUES, ids=lambda value: repr(value)[:60])
async def test_a_value_that_does_not_fit_soundbox_is_refused(
    box: httpx.AsyncClient, path: str, body: Any, error: str | None
) -> None:
    path = path if path.startswith("/") else f"/api/library/{path.format(clip=CLIP)}"
    answer = await box.post(path, content=json.dumps(body), headers={"content-type": JSON})
    is_refused(answer, 400, error, success=path in ("/generate", "/rate"))


@pytest.mark.parametrize("order", [None, "abc", [1], ["a"] * 501], ids=str)
async def test_an_order_that_is_no_list_of_clips_is_refused(box: httpx.AsyncClient, order: Any) -> None:
    body = {**ME, "track_order": order}
    is_refused(await box.put("/api/playlists/pl_0123456789ab/reorder", json=body), 400)


@pytest.mark.parametrize("route", [
    "POST /generate", "POST /rate", "POST /random-prompt", f"POST /api/library/{CLIP}/vote", "POST /api/library/votes",
    f"POST /api/favorites/{CLIP}", f"DELETE /api/favorites/{CLIP}", "POST /api/favorites/check",
    f"POST /api/library/{CLIP}/suggest-tag", f"POST /api/library/{CLIP}/cancel-tag", f"POST /api/queue/{CLIP}/cancel",
    f"POST /api/track/{CLIP}/play", "POST /api/playlists", "PUT /api/playlists/pl_0123456789ab", f"DELETE /api/library/{CLIP}",
])  # fmt: skip
async def test_a_body_that_is_no_json_object_is_refused_by_soundbox(box: httpx.AsyncClient, route: str) -> None:
    method, path = route.split(" ")
    nothing_said, form = (b'{"prompt": "rain"}', "", 415), (b"prompt=rain", FORM, 415)
    for name, (body, kind, status) in {
        **BODIES,
        "infinity": INFINITY,
        "nothing said": nothing_said,
        "form": form,
    }.items():
        if name in ("deep inside", "infinity") and path != "/generate":
            continue  # fields that are not looked at are not looked into
        answer = await box.request(method, path, content=body, headers={"content-type": kind}, params=ME)
        is_refused(answer, status, success=path in ("/generate", "/rate", "/random-prompt"))


NO_NAME, CONTROLS = "Invalid filename", "The path contains control characters. Remove them."
FILE_NAMES = {
    "abc123{suffix}": (404, "Not found"),
    "{clip}.mp3": (400, NO_NAME),
    "{clip}": (400, NO_NAME),
    "..{suffix}": (400, NO_NAME),
    ".hidden{suffix}": (400, NO_NAME),
    "{clip}%00{suffix}": (400, CONTROLS),
    "{clip}{suffix}%0a": (400, CONTROLS),
    "a%20b{suffix}": (400, NO_NAME),
    "%2e%2e%5c{clip}{suffix}": (400, NO_NAME),
    "ü{suffix}": (400, NO_NAME),
    "a" * 3000 + "{suffix}": (400, NO_NAME),
    "..%2f..%2fetc%2fpasswd{suffix}": (404, "Not found"),  # more than one name: no such route
}


@pytest.mark.parametrize(("folder", "suffix"), [("audio", ".wav"), ("download", ".wav"), ("spectrogram", ".png")])
async def test_a_name_that_is_no_clips_names_no_file(box: httpx.AsyncClient, folder: str, suffix: str) -> None:
    for name, (status, error) in FILE_NAMES.items():
        is_refused(await box.get(f"/{folder}/{name.format(clip=CLIP, suffix=suffix)}"), status, error)
    is_refused(await box.get("/generate-spectrogram/a.png"), 400, NO_NAME)


async def test_soundbox_words_what_is_no_route_or_not_its_method(site: Site, box: httpx.AsyncClient) -> None:
    for path in ("/nothing", "/api", "/api/tracks", "/process", "/config", "/audio", "/job", "/api/radio/nothing"):
        is_refused(await box.get(path), 404, "Not found")
    for route in ("GET /generate", "PUT /status", "POST /api/library", "DELETE /history", "POST /audio/a.wav"):
        is_refused(await box.request(*route.split(" ")), 405, "Method Not Allowed")
    # On the shared port, too, paths near those of this dialect are answered in its shape.
    shared = site.client()
    for path in ("/api/library/abc123", "/api/radio/nothing", "/audio"):
        is_refused(await shared.get(path), 404, "Not found")
    is_refused(await shared.put("/status"), 405, "Method Not Allowed")
    assert (await shared.get("/api/nothing")).json()["code"] == "UNAUTHORIZED"


async def test_pages_of_any_origin_read_refusals_of_soundbox(box: httpx.AsyncClient) -> None:
    for origin, status in (("https://elsewhere.example", 403), ("http://localhost:3000", 404)):
        answer = await box.get("/api/library/abc123", headers={"Origin": origin})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, "*")
        assert answer.headers["x-content-type-options"] == "nosniff"
    asking = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    assert "POST" in (await box.options("/generate", headers=asking)).headers["access-control-allow-methods"]


async def test_passwords_in_the_query_are_ignored(forge: httpx.AsyncClient) -> None:
    answer = await forge.post("/api/tokens?email=ann@example.com&password=correct+horse", json={"name": "script"})
    assert (answer.status_code, sorted(answer.json()["details"])) == (422, ["email", "password"])
