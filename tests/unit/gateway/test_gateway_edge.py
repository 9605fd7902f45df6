"""The edge as a client sees it: dialects, identity, rate limits, headers. The services behind it are in memory."""

import asyncio
import dataclasses
import functools
import json
import math
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import httpx
import pytest
from gateway_fixture import gateway_over
from starlette.types import ASGIApp
from structlog.testing import capture_logs

from soundwright.analysis.v1 import analysis_service_pb2
from soundwright.generation.v1 import generation_service_pb2
from soundwright.ingest.v1 import ingest_service_pb2
from soundwright.kit.errors import AppError, Code
from soundwright.kit.log import correlation_id
from soundwright.kit.security.identity import Principal, api_token_id, current_principal, require_principal
from soundwright.kit.worker.kind import pack
from soundwright.library.v1 import account_pb2, job_pb2, storage_service_pb2, track_pb2
from soundwright.library.v1 import library_service_pb2 as library_pb
from soundwright.models.v1 import model_pb2, model_service_pb2
from soundwright.separation.v1 import jobs_pb2 as separation_jobs
from soundwright.separation.v1 import separation_service_pb2
from soundwright.services.gateway.app import build
from soundwright.services.gateway.callers.authenticator import Authenticator
from soundwright.services.gateway.callers.rate_limits import RateClass, RateLimiter
from soundwright.services.gateway.clients import Clients
from soundwright.services.gateway.dialects.forge import FORGE, forge_routes
from soundwright.services.gateway.dialects.pipeline import (
    PIPELINE,
    pipeline_job_view,
    pipeline_only_routes,
    pipeline_routes,
)
from soundwright.services.gateway.dialects.pipeline.routes import _create_job
from soundwright.services.gateway.dialects.soundbox import SOUNDBOX, soundbox_only_routes, soundbox_routes
from soundwright.services.gateway.edge.health import Health
from soundwright.services.gateway.wire.problems import Problem
from tests.clocks import HandClock

TRACK, FOREIGN_TRACK, JOB, FOREIGN_JOB, PIPELINE_JOB, UNKNOWN = (str(uuid.UUID(int=n + (4 << 76))) for n in range(1, 7))
USER = {"Authorization": "Bearer token-of-user"}
LIMITS = {RateClass.NORMAL: 5, RateClass.HEAVY: 2, RateClass.POLLING: 50, RateClass.FILES: 20, RateClass.REPORTS: 2}


class Services:
    """All services in memory. Each method is an RPC."""

    def __init__(self) -> None:
        self.principals: list[Principal | None] = []
        self.correlation_ids: list[str] = []
        self.requests: list[Any] = []
        self.existed = False
        self.jobs = {
            JOB: self.job(JOB, "user", job_pb2.JOB_KIND_SEPARATION, job_pb2.JOB_STATE_QUEUED),
            FOREIGN_JOB: self.job(FOREIGN_JOB, "other", job_pb2.JOB_KIND_SEPARATION, job_pb2.JOB_STATE_QUEUED),
            PIPELINE_JOB: self.job(PIPELINE_JOB, "anon:x", job_pb2.JOB_KIND_PIPELINE, job_pb2.JOB_STATE_RUNNING),
        }

    @staticmethod
    def job(job_id: str, owner: str, kind: Any, state: Any) -> job_pb2.Job:
        job = job_pb2.Job(id=job_id, owner_id=owner, kind=kind, state=state, track_id=TRACK)
        job.spec.CopyFrom(pack(separation_jobs.SeparationSpec(model="htdemucs")))
        job.create_time.FromJsonString("2026-03-04T18:30:00.120045Z")
        return job

    def __getattr__(self, rpc: str) -> Any:
        reasons = {"Playlist": "PLAYLIST_NOT_FOUND", "Job": "JOB_NOT_FOUND", "Track": "TRACK_NOT_FOUND"}
        reason = next((reasons[word] for word in reasons if word in rpc), "GENERATION_NOT_FOUND")

        async def find_nothing(_request: Any) -> Any:
            raise AppError(Code.NOT_FOUND, reason, "There is no such thing.")

        return find_nothing

    async def AuthenticateToken(self, request: Any) -> Any:
        assert current_principal() is None  # asked on the gateway's own behalf
        if request.token == "token-of-banned":
            raise AppError(Code.PERMISSION_DENIED, "ACCOUNT_SUSPENDED", "This account is banned.")
        if request.token != "token-of-user":
            raise AppError(Code.UNAUTHENTICATED, "UNAUTHORIZED", "Valid Bearer token required")
        return library_pb.AuthenticateTokenResponse(account=account_pb2.Account(id="user", role="pro"))

    async def ListTracks(self, request: Any) -> Any:
        self.principals.append(current_principal())
        self.correlation_ids.append(correlation_id())
        track = track_pb2.Track(id=TRACK, title="Söng", artist="The Weeknd", blob_key=f"tracks/{TRACK}/original.flac")
        track.create_time.FromJsonString("2026-03-04T18:30:00.999Z")
        return library_pb.ListTracksResponse(tracks=[track], total_count=143)

    async def GetTrack(self, request: Any) -> Any:
        if request.track_id == FOREIGN_TRACK:
            raise AppError(Code.PERMISSION_DENIED, "ACCESS_DENIED", "This track belongs to somebody else.")
        if request.track_id != TRACK:
            raise AppError(Code.NOT_FOUND, "TRACK_NOT_FOUND", "There is no such track.")
        key = f"tracks/{TRACK}/original.flac"
        track = track_pb2.Track(id=TRACK, title="Söng", blob_key=key, content_type="audio/flac")
        return library_pb.GetTrackResponse(track=track)

    async def GetStem(self, request: Any) -> Any:
        raise AppError(Code.NOT_FOUND, "STEM_NOT_FOUND", "There is no such stem.")

    async def GetAnalysis(self, request: Any) -> Any:
        answer = library_pb.GetAnalysisResponse()
        answer.analysis.engine, answer.analysis.job_id = "librosa", JOB
        answer.analysis.values_json = '{"tempo": 128.0, "features": {"mfcc": [[1.5]]}}'
        return answer

    async def GetJob(self, request: Any) -> Any:
        job = self.jobs.get(request.job_id)
        if job is None:
            raise AppError(Code.NOT_FOUND, "JOB_NOT_FOUND", "There is no such job.")
        if job.owner_id not in (require_principal().id, "anon:x"):
            raise AppError(Code.PERMISSION_DENIED, "ACCESS_DENIED", "This job belongs to somebody else.")
        return library_pb.GetJobResponse(job=job)

    async def CancelJob(self, request: Any) -> Any:
        job = (await self.GetJob(request)).job
        if job.state == job_pb2.JOB_STATE_SUCCEEDED:
            raise AppError(Code.CONFLICT, "JOB_FINISHED", "The job has succeeded already and cannot be cancelled.")
        return library_pb.CancelJobResponse(job=job)

    async def ListJobs(self, request: Any) -> Any:
        self.requests.append(request)
        return library_pb.ListJobsResponse(jobs=[self.jobs[JOB]], total_count=1)

    async def CreateJob(self, request: Any) -> Any:
        self.requests.append(request)
        if isinstance(request, analysis_service_pb2.CreateJobRequest):
            return analysis_service_pb2.CreateJobResponse(job=self.jobs[JOB], existed=self.existed)
        if request.parameters.model == "bogus":
            details = {"details": {"model": ["is not known"]}}
            raise AppError(Code.UNPROCESSABLE, "VALIDATION_ERROR", "Some fields are invalid.", details)
        if request.parameters.model == "crash":
            raise RuntimeError("secret of the house")
        return separation_service_pb2.CreateJobResponse(job=self.jobs[JOB], existed=self.existed)

    async def ListModels(self, _request: Any) -> Any:
        names = ["htdemucs", "htdemucs_ft", "htdemucs_6s", "mdx_extra", "dsp"]
        models = [model_pb2.Model(name=name, outputs=["a", "b"], listed=True) for name in names]
        return model_service_pb2.ListModelsResponse(models=[*models, model_pb2.Model(name="hpss")])


class Site:
    """Listeners over the services in memory."""

    def __init__(self, folder: Path, limits: dict[RateClass, int] = LIMITS) -> None:
        self.services, self.limits = Services(), limits
        self.clock = HandClock(1_000_000.5)
        clients = Clients(**{field.name: self.services for field in dataclasses.fields(Clients)})  # type: ignore[arg-type]
        self.gateway = gateway_over(clients, folder, self.clock)
        self.settings = self.gateway.settings
        self._listener = functools.cache(self._build)

    def client(self, dialect: str = "all", open_access: bool = True, peer: str = "10.0.0.1") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self._listener(dialect, open_access), client=(peer, 5))
        return httpx.AsyncClient(transport=transport, base_url="http://localhost")

    def _build(self, dialect: str, open_access: bool) -> ASGIApp:
        pipeline = pipeline_routes(self.gateway, {job_pb2.JOB_KIND_PIPELINE: pipeline_job_view(self.gateway)})
        soundbox = soundbox_routes(self.gateway)
        dialects, routers = {
            "all": ([FORGE, PIPELINE, SOUNDBOX], [forge_routes(self.gateway), pipeline, soundbox]),
            "pipeline": ([PIPELINE], [pipeline_only_routes(self.gateway)]),
            "soundbox": ([SOUNDBOX], [soundbox_only_routes(self.gateway)]),
        }[dialect]
        authenticator = Authenticator(self.services, open_access, self.settings.secrets())  # type: ignore[arg-type]
        return build(dialects, routers, authenticator, RateLimiter(self.limits, self.clock), self.settings)


@pytest.fixture(scope="module")
def built_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    yield site
    site.gateway.reencoder.slots.close()


@pytest.fixture
def site(built_site: Site) -> Site:
    """New services, and no used-up rate limits."""
    built_site.services.__dict__.clear()
    built_site.services.__init__()  # type: ignore[misc]
    built_site.clock.time += 1000
    return built_site


# ------------------------------------------------------------------------------------------------------------ identity


@pytest.mark.parametrize(
    "value",
    [
        "", "Bearer", "Bearer ", "Basic dXNlcjp4", "Token token-of-user", "Bearer nobody", "Bearer token-of-userx",
        "token-of-user", "Bearer ü",
    ],
)  # fmt: skip
async def test_forge_wants_a_token(site: Site, value: str) -> None:
    headers = {"Authorization": value.encode()} if value else {}
    answer = await site.client().get("/api/tracks", headers=headers)
    assert answer.status_code == 401
    assert answer.json() == {"error": "Unauthorized", "code": "UNAUTHORIZED", "message": "Valid Bearer token required"}
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_caller_lends_its_name_and_role_to_the_services(site: Site) -> None:
    answer = await site.client().get("/api/tracks", headers={"Authorization": "bEARER  token-of-user"})
    assert answer.status_code == 200
    assert site.services.principals == [Principal("user", "pro", api_token_id=api_token_id("token-of-user"))]


async def test_without_open_access_the_pipeline_wants_a_token_too(site: Site) -> None:
    closed = site.client(open_access=False)
    answer = await closed.get(f"/job/{PIPELINE_JOB}")
    assert (answer.status_code, answer.json()) == (401, {"detail": "Valid Bearer token required"})
    assert (await closed.get("/config")).status_code == 200
    assert (await closed.get(f"/job/{PIPELINE_JOB}", headers=USER)).status_code == 200
    assert (await site.client().get(f"/job/{PIPELINE_JOB}")).status_code == 200
    # A token that is wrong is never taken for no token.
    wrong = await site.client().get(f"/job/{PIPELINE_JOB}", headers={"Authorization": "Bearer nobody"})
    assert wrong.status_code == 401


# -------------------------------------------------------------------------------------------------------------- limits


async def test_rate_limits_are_shown_and_kept(site: Site) -> None:
    client = site.client()
    first = await client.get("/api/tracks", headers=USER)
    assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"]) == ("5", "4")
    seconds_left = math.ceil(int(first.headers["x-ratelimit-reset"]) - site.clock.time)
    assert 0 < seconds_left <= 60
    missing = await client.get("/api/nothing", headers=USER)
    assert (missing.status_code, missing.headers["x-ratelimit-remaining"]) == (404, "3")
    for _ in range(3):
        await client.get("/api/tracks", headers=USER)
    refused = await client.get("/api/tracks", headers=USER)
    assert refused.status_code == 429
    body = refused.json()
    assert (body["error"], body["code"], body["retry_after"]) == ("rate limit exceeded", "RATE_LIMITED", seconds_left)
    assert refused.headers["retry-after"] == str(seconds_left)
    # Another class has its own limit, and so does another caller.
    assert (await client.get(f"/api/jobs/{JOB}", headers=USER)).status_code == 200
    assert (await client.get("/api/tracks")).status_code == 401


async def test_heavy_requests_have_a_low_limit(site: Site) -> None:
    client = site.client()
    for expected in (201, 201, 429):
        answer = await client.post("/api/processing/separate", headers=USER, json={"track_id": TRACK})
        assert answer.status_code == expected
    analyse = await client.post("/api/analysis/analyze", headers=USER, json={"track_id": TRACK})
    assert (analyse.status_code, analyse.headers["x-ratelimit-limit"]) == (429, "2")


async def test_the_pipeline_is_limited_like_polling_and_uploads_like_other_requests(site: Site) -> None:
    client = site.client()
    process = await client.post("/process", headers=USER)
    assert process.headers["x-ratelimit-limit"] == str(LIMITS[RateClass.POLLING])
    upload = await client.post("/api/uploads", headers=USER, json={"filename": "a.wav", "size_bytes": 1})
    assert upload.headers["x-ratelimit-limit"] == str(LIMITS[RateClass.NORMAL])


async def test_a_mix_is_refused_before_its_files_are_stored(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def reserve(_request: Any) -> Any:
        return storage_service_pb2.ReserveResponse()

    written = list[str]()
    monkeypatch.setattr(site.gateway.blobs, "write", written.append)
    site.services.Reserve = reserve  # type: ignore[attr-defined]
    files = {"stems[]": ("a.wav", b"RIFF" * 1000)}
    answer = await site.client().post("/api/daw/export", headers=USER, data={"track_id": FOREIGN_TRACK}, files=files)
    assert (answer.status_code, answer.json()["code"], written) == (404, "TRACK_NOT_FOUND", [])


async def test_the_space_of_an_upload_in_parts_is_reserved_until_the_upload_expires(site: Site) -> None:
    begun, reserved = ingest_service_pb2.BeginDirectUploadResponse(), list[Any]()
    begun.upload.id, begun.upload.size_bytes = TRACK, 7
    begun.upload.expire_time.FromSeconds(21_600)

    async def begin(_request: Any) -> Any:
        return begun

    async def reserve(request: Any) -> Any:
        reserved.append((request.reservation_id, request.size_bytes, request.expire_time.seconds))
        return storage_service_pb2.ReserveResponse()

    site.services.BeginDirectUpload, site.services.Reserve = begin, reserve  # type: ignore[attr-defined]
    answer = await site.client().post("/api/uploads", headers=USER, json={"filename": "a.wav", "size_bytes": 7})
    assert (answer.status_code, reserved) == (201, [(TRACK, 7, 21_600)])


async def test_callers_without_a_name_are_limited_by_address(site: Site) -> None:
    client = site.client(peer="10.9.9.9")
    statuses = [
        (await client.get("/api/tracks", headers={"X-Forwarded-For": f"1.1.1.{n}"})).status_code for n in range(6)
    ]
    assert statuses == [401] * 5 + [429]


# ------------------------------------------------------------------------------------------------------------- dialects


@pytest.mark.parametrize(
    ("path", "status", "code", "error"),
    [
        (f"/api/tracks/{FOREIGN_TRACK}", 404, "TRACK_NOT_FOUND", "Track not found"),
        (f"/api/jobs/{FOREIGN_JOB}", 403, "ACCESS_DENIED", "Access denied"),
        (f"/api/processing/job/{FOREIGN_JOB}", 403, "ACCESS_DENIED", "Access denied"),
        (f"/api/processing/job/{PIPELINE_JOB}", 404, "JOB_NOT_FOUND", "Job not found"),
        (f"/api/analysis/job/{JOB}", 404, "JOB_NOT_FOUND", "Job not found"),
        (f"/export/stems/{FOREIGN_TRACK}", 403, "ACCESS_DENIED", "Access denied"),
        ("/files/../../etc/passwd", 404, "NOT_FOUND", "Not found"),
        ("/files/downloads/..%2f..%2fsecret/x", 404, "FILE_NOT_FOUND", "File not found"),
        (f"/files/downloads/{TRACK}/original.wav", 404, "FILE_NOT_FOUND", "File not found"),
        (f"/files/stems/{FOREIGN_JOB}/vocals.flac", 403, "ACCESS_DENIED", "Access denied"),
        ("/api/unknown", 404, "NOT_FOUND", "Not found"),
    ],
)
async def test_forge_words_for_what_is_not_there(site: Site, path: str, status: int, code: str, error: str) -> None:
    answer = await site.client().get(path, headers=USER)
    assert (answer.status_code, answer.json()["code"], answer.json()["error"]) == (status, code, error)
    assert set(answer.json()) == {"error", "code", "message"}


async def test_wrong_methods_in_each_dialect(site: Site) -> None:
    client = site.client()
    forge = await client.put("/api/tracks", headers=USER)
    assert (forge.status_code, forge.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert "x-ratelimit-limit" in forge.headers
    assert {"GET", "HEAD", "POST"} <= set(forge.headers["allow"].split(", "))
    pipeline = await client.get("/process")
    assert (pipeline.status_code, pipeline.json()) == (405, {"detail": "Method Not Allowed"})
    alone = site.client("pipeline")
    assert (await alone.get("/api/tracks")).json() == {"detail": "Not Found"}
    assert (await site.client("soundbox").get("/nowhere")).json() == {"error": "Not found"}


async def test_a_crash_is_an_apology_without_a_trace(site: Site) -> None:
    body = {"track_id": TRACK, "model": "crash"}
    with capture_logs() as logs:
        answer = await site.client().post("/api/processing/separate", headers=USER, json=body)
    assert [entry["event"] for entry in logs] == ["request.failed", "request.completed"]
    assert answer.status_code == 500
    assert answer.json()["code"] == "INTERNAL"
    assert "secret" not in answer.text
    assert "x-request-id" in answer.headers


async def test_a_request_that_a_stop_interrupts_is_told_to_come_again(site: Site) -> None:
    started = asyncio.Event()

    async def wait(_request: Any) -> None:
        started.set()
        await asyncio.Event().wait()

    site.services.ListTracks = wait  # type: ignore[method-assign, assignment]
    asking = asyncio.create_task(site.client().get("/api/tracks", headers=USER))
    await started.wait()
    asking.cancel()
    answer = await asking
    assert (answer.status_code, answer.json()["code"]) == (503, "STOPPING")
    assert answer.headers["retry-after"] == "5"


# ------------------------------------------------------------------------------------------------------ forge contents


async def test_lists_are_paged_as_documented(site: Site) -> None:
    answer = (await site.client().get("/api/tracks", headers=USER)).json()
    assert answer["meta"] == {"page": 1, "page_size": 20, "total_count": 143, "total_pages": 8}
    [track] = answer["data"]
    assert track["file_path"] == f"/files/downloads/{TRACK}/the-weeknd-s-ng.flac"
    assert track["created_at"] == "2026-03-04T18:30:00Z"


@pytest.mark.parametrize(
    "request_options",
    [
        {"json": {"track_id": TRACK, "features": ["tempo", "key"]}},
        {"data": {"track_id": TRACK, "features[]": ["tempo", "key"]}},
        {"data": {"track_id": TRACK, "features": "tempo,key"}},
        {"params": {"track_id": TRACK}, "json": {"features": ["tempo", "key"]}},
    ],
)
async def test_parameters_come_in_several_ways(site: Site, request_options: dict[str, Any]) -> None:
    answer = await site.client().post("/api/analysis/analyze", headers=USER, **request_options)
    assert answer.status_code == 201
    assert answer.json() == {"data": {"job_id": JOB, "track_id": TRACK, "status": "queued"}}
    assert list(site.services.requests[-1].features) == ["tempo", "key"]


async def test_all_features_unless_told_otherwise(site: Site) -> None:
    await site.client().post("/api/analysis/analyze", headers=USER, json={"track_id": TRACK})
    assert list(site.services.requests[-1].features) == ["all"]


async def test_a_separation_is_created_once(site: Site) -> None:
    client = site.client()
    body = {"track_id": TRACK.upper(), "model": "htdemucs", "engine": "local", "format": "wav24"}
    created = await client.post("/api/processing/separate", headers={**USER, "Idempotency-Key": "k 1"}, json=body)
    assert created.status_code == 201
    assert created.json() == {"data": {"job_id": JOB, "track_id": TRACK, "model": "htdemucs", "status": "queued"}}
    asked = site.services.requests[-1]
    assert (asked.idempotency_key, asked.parameters.engine, asked.parameters.format, asked.track_id) == (
        "k 1",
        "local",
        "wav24",
        TRACK,
    )
    site.services.existed = True
    assert (await client.post("/api/processing/separate", headers=USER, json=body)).status_code == 200


async def test_a_separation_from_queued_to_completed(site: Site) -> None:
    client = site.client()
    path = f"/api/processing/job/{JOB}"
    queued = (await client.get(path, headers=USER)).json()["data"]
    assert (queued["status"], queued["progress"], queued["stems"], queued["error"]) == ("queued", 0, [], None)
    job = site.services.jobs[JOB]
    job.state, job.progress_ratio = job_pb2.JOB_STATE_RUNNING, 1.0  # all but filed
    running = (await client.get(path, headers=USER)).json()["data"]
    assert (running["status"], running["progress"]) == ("processing", 99)
    job.state = job_pb2.JOB_STATE_SUCCEEDED
    job.result.engine, job.result.model, job.result.requested_model = "dsp", "dsp", "htdemucs"
    job.result.degraded, job.result.degraded_reason = True, "no weights"
    stem = job.result.outputs.add(id="s", name="vocals", blob_key=f"stems/{JOB}/1/vocals.flac", job_id=JOB)
    stem.track_id, stem.size_bytes = TRACK, 9
    stem.frame_count, stem.sample_rate_hz, stem.channel_count = 22050, 44100, 2
    done = (await client.get(path, headers=USER)).json()["data"]
    assert (done["status"], done["progress"]) == ("completed", 100)
    assert (done["engine"], done["model"], done["requested_model"]) == ("dsp", "dsp", "htdemucs")
    assert (done["degraded"], done["degraded_reason"]) == (True, "no weights")
    expected = {
        "id": "s", "stem_type": "vocals", "file_path": f"/files/stems/{JOB}/vocals.flac", "file_size": 9,
        "source": "local", "track_id": TRACK, "processing_job_id": JOB, "download_url": "/export/stem/s",
        "duration_seconds": 0.5, "sample_rate_hz": 44100, "channel_count": 2,
    }  # fmt: skip
    assert expected.items() <= done["stems"][0].items()


async def test_failed_and_cancelled_jobs_say_why(site: Site) -> None:
    job = site.services.jobs[JOB]
    job.state = job_pb2.JOB_STATE_FAILED
    job.error.reason, job.error.message = "AUDIO_UNREADABLE", "The file holds no audio."
    failed = (await site.client().get(f"/api/jobs/{JOB}", headers=USER)).json()["data"]
    assert (failed["status"], failed["error"]) == ("failed", "The file holds no audio.")
    assert (failed["error_code"], failed["job_type"], failed["result"]) == ("AUDIO_UNREADABLE", "processing", None)
    job.state = job_pb2.JOB_STATE_CANCELLED
    cancelled = (await site.client().get(f"/api/jobs/{JOB}", headers=USER)).json()["data"]
    assert (cancelled["status"], cancelled["error"]) == ("failed", "cancelled")
    # A failure that will be tried again is none yet.
    job.state = job_pb2.JOB_STATE_QUEUED
    assert (await site.client().get(f"/api/jobs/{JOB}", headers=USER)).json()["data"]["error"] is None


async def test_jobs_are_cancelled_and_finished_ones_are_not(site: Site) -> None:
    client = site.client()
    answer = await client.delete(f"/api/jobs/{JOB}", headers=USER)
    assert (answer.status_code, answer.content) == (204, b"")
    site.services.jobs[JOB].state = job_pb2.JOB_STATE_SUCCEEDED
    finished = await client.delete(f"/api/jobs/{JOB}", headers=USER)
    assert (finished.status_code, finished.json()["code"]) == (409, "JOB_FINISHED")
    assert (await client.delete(f"/api/jobs/{FOREIGN_JOB}", headers=USER)).status_code == 403


async def test_filters_of_the_list_of_jobs(site: Site) -> None:
    client = site.client()
    await client.get(f"/api/jobs?status=failed&type=processing&track_id={TRACK}&page=2&page_size=5", headers=USER)
    asked = site.services.requests[-1]
    assert list(asked.states) == [job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED]
    assert (list(asked.kinds), asked.track_id) == ([job_pb2.JOB_KIND_SEPARATION], TRACK)
    assert (asked.page, asked.page_size) == (2, 5)
    await client.get("/api/jobs?status=processing", headers=USER)
    assert job_pb2.JOB_KIND_DOWNLOAD not in site.services.requests[-1].kinds
    empty = await client.get("/api/jobs?status=downloading&type=analysis", headers=USER)
    assert empty.json() == {"data": [], "meta": {"page": 1, "page_size": 20, "total_count": 0, "total_pages": 0}}


async def test_a_file_is_served_at_the_path_of_its_record_alone(site: Site) -> None:
    async with site.gateway.blobs.write(f"tracks/{TRACK}/original.flac") as writer:
        await writer.write(b"0123456789")
    client = site.client()
    part = await client.get(f"/files/downloads/{TRACK}/s-ng.flac", headers={**USER, "Range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["content-type"]) == (206, b"234", "audio/flac")
    head = await client.head(f"/files/downloads/{TRACK}/s-ng.flac", headers=USER)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "10")
    assert (await client.get(f"/files/downloads/{TRACK}/s-ng.wav", headers=USER)).status_code == 404


# --------------------------------------------------------------------------------------------------- pipeline contents


async def test_pipeline_config_is_the_documented_one(site: Site) -> None:
    assert (await site.client("pipeline").get("/config")).json() == {
        "max_file_size_mb": 500,
        "supported_formats": ["wav", "mp3", "flac", "ogg"],
        "pipeline_stages": [
            {"name": "audio_separation", "processor_type": "separator"},
            {"name": "harmonic_percussive_separation", "processor_type": "decomposition"},
            {"name": "composite_track_creation", "processor_type": "composition"},
            {"name": "normalization", "processor_type": "audio_processing"},
        ],
    }


@pytest.mark.parametrize(
    "path", [f"/job/{JOB}", f"/job/{JOB}/outputs", "/job/x", f"/download/{JOB}/all", "/download/../all"]
)
async def test_pipeline_knows_no_other_jobs(site: Site, path: str) -> None:
    answer = await site.client("pipeline").get(path, headers=USER)
    detail = "Not Found" if ".." in path else "Job not found"
    assert (answer.status_code, answer.json()) == (404, {"detail": detail})


async def test_a_foreign_job_does_not_exist_for_the_pipeline(site: Site) -> None:
    site.services.jobs[FOREIGN_JOB].kind = job_pb2.JOB_KIND_PIPELINE
    answer = await site.client().get(f"/job/{FOREIGN_JOB}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Job not found"})


async def test_a_pipeline_job_from_its_queue_to_its_end(site: Site) -> None:
    client = site.client("pipeline")
    job = site.services.jobs[PIPELINE_JOB]
    for name, kind in (("audio_separation", "separator"), ("normalization", "audio_processing")):
        job.stages.add(name=name, processor_type=kind, state=job_pb2.JOB_STATE_QUEUED)
    job.state = job_pb2.JOB_STATE_QUEUED
    queued = (await client.get(f"/job/{PIPELINE_JOB}")).json()
    assert (queued["status"], queued["outputs"]) == ("processing", {})
    assert queued["created_at"] == "2026-03-04T18:30:00.120045"
    assert queued["stages"] == [
        {"name": "audio_separation", "processor_type": "separator", "status": "processing",
         "started_at": "2026-03-04T18:30:00.120045", "completed_at": None, "error": None, "duration_seconds": None},
        {"name": "normalization", "processor_type": "audio_processing", "status": "pending",
         "started_at": None, "completed_at": None, "error": None, "duration_seconds": None},
    ]  # fmt: skip
    first, second = job.stages
    job.state, first.state, second.state = (job_pb2.JOB_STATE_RUNNING,) * 3
    first.state = job_pb2.JOB_STATE_SUCCEEDED
    first.start_time.FromJsonString("2026-03-04T18:30:01.000001Z")
    first.finish_time.FromJsonString("2026-03-04T18:30:02.500002Z")
    second.start_time.CopyFrom(first.finish_time)
    running = (await client.get(f"/job/{PIPELINE_JOB}")).json()["stages"]
    assert [stage["status"] for stage in running] == ["completed", "processing"]
    assert [stage["duration_seconds"] for stage in running] == [1.500001, None]
    job.state = job_pb2.JOB_STATE_SUCCEEDED
    for name in ("normalized", "main", "vocals"):
        job.result.outputs.add(name=name, blob_key=f"pipeline/{PIPELINE_JOB}/1/x/{name}.wav", path=f"x/{name}.wav")
    done = (await client.get(f"/job/{PIPELINE_JOB}")).json()
    assert done["status"] == "completed"
    assert list(done["outputs"]) == ["vocals", "main"]  # the documented keys, in the documented order
    assert done["outputs"]["main"].endswith(f"/pipeline/{PIPELINE_JOB}/1/x/main.wav")
    assert (await client.get(f"/job/{PIPELINE_JOB}/outputs")).json() == done["outputs"]
    # The very name, never a part of it.
    for name in ("mai", "vocal", "x", "%2e%2e"):
        lost = await client.get(f"/download/{PIPELINE_JOB}/{name}")
        assert (lost.status_code, lost.json()) == (404, {"detail": "Track not found"})


async def test_a_failed_pipeline_job_shows_where_it_failed(site: Site) -> None:
    job = site.services.jobs[PIPELINE_JOB]
    job.stages.add(name="audio_separation", state=job_pb2.JOB_STATE_FAILED, error_message="no weights")
    job.stages.add(name="normalization", state=job_pb2.JOB_STATE_QUEUED)
    job.state = job_pb2.JOB_STATE_FAILED
    failed = (await site.client().get(f"/job/{PIPELINE_JOB}")).json()
    stages = [(stage["status"], stage["error"]) for stage in failed["stages"]]
    assert (failed["status"], stages) == ("failed", [("failed", "no weights"), ("pending", None)])
    # It never started: the reason is shown all the same.
    job.stages[0].state, job.error.message = job_pb2.JOB_STATE_QUEUED, "The worker died."
    job.stages[0].error_message = ""
    failed = (await site.client().get(f"/job/{PIPELINE_JOB}")).json()
    assert (failed["stages"][0]["status"], failed["stages"][0]["error"]) == ("failed", "The worker died.")


@pytest.mark.parametrize(
    ("options", "status", "detail"),
    [
        ({"files": {"file": ("song.AAC", b"x")}}, 500, "Unsupported audio format:.aac"),
        ({"files": {"file": ("../../song", b"x")}}, 500, "Unsupported audio format:"),
        ({"headers": {"Content-Length": "600000000", "Content-Type": "multipart/form-data; boundary=x"}}, 413, None),
    ],
)
async def test_pipeline_refusals(site: Site, options: dict[str, Any], status: int, detail: str | None) -> None:
    answer = await site.client().post("/process", **options)
    assert answer.status_code == status
    assert answer.json() == {"detail": detail or "File too large. The limit is 500 MB."}


@pytest.mark.parametrize(
    "options", [{"data": {"file": "text"}, "files": {"other": ("a.wav", b"x")}}, {"data": {"x": "y"}}, {"json": {}}, {}]
)
async def test_pipeline_without_a_file_answers_as_the_framework_does(site: Site, options: dict[str, Any]) -> None:
    answer = await site.client().post("/process", **options)
    assert answer.status_code == 422
    assert answer.json() == {
        "detail": [{"type": "missing", "loc": ["body", "file"], "msg": "Field required", "input": None}]
    }


def test_pipeline_calls_unreadable_content_a_bad_request() -> None:
    answer = PIPELINE.render(Problem(422, "AUDIO_UNREADABLE", "The file holds no audio."))
    assert (answer.status_code, json.loads(bytes(answer.body))) == (400, {"detail": "The file holds no audio."})


@pytest.mark.parametrize("job_count", [0, 1])
async def test_a_recording_whose_job_is_refused_is_deleted_unless_a_job_uses_it(job_count: int) -> None:
    clients = MagicMock()
    refusal = AppError(Code.NOT_PROVISIONED, "MODEL_UNAVAILABLE", "There are no weights.")
    clients.separation.CreatePipelineJob = AsyncMock(side_effect=refusal)
    clients.jobs.ListJobs = AsyncMock(return_value=library_pb.ListJobsResponse(total_count=job_count))
    clients.tracks.DeleteTrack = AsyncMock()
    gateway: Any = SimpleNamespace(clients=clients)
    with pytest.raises(AppError, match="MODEL_UNAVAILABLE"):
        await _create_job(gateway, TRACK, "")
    assert clients.tracks.DeleteTrack.await_count == 1 - job_count


async def test_pipeline_with_an_empty_file_name(site: Site) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--x--\r\n'
    answer = await site.client().post(
        "/process", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert (answer.status_code, answer.json()) == (400, {"detail": "No filename provided"})


# ------------------------------------------------------------------------------------------------------------- headers


async def test_a_sane_request_id_is_kept_and_travels(site: Site) -> None:
    client = site.client()
    answer = await client.get("/api/tracks", headers={**USER, "X-Request-Id": "my-request-1"})
    assert answer.headers["x-request-id"] == "my-request-1"
    assert site.services.correlation_ids == ["my-request-1"]
    for strange in ("short", "x" * 200, "a b c d e f g h", "{json: true}"):
        answer = await client.get("/health", headers={"X-Request-Id": strange})
        assert answer.headers["x-request-id"] != strange
        assert len(answer.headers["x-request-id"]) == 32


async def test_every_answer_carries_the_safe_headers(site: Site) -> None:
    for path in ("/health", "/api/tracks", "/nowhere", "/config"):
        answer = await site.client().get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"


async def test_pages_of_any_origin_may_call_the_pipeline_but_not_forge(site: Site) -> None:
    client = site.client()
    origin = {"Origin": "https://elsewhere.example"}
    assert (await client.get("/config", headers=origin)).headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in (await client.get("/api/tracks", headers=origin)).headers
    asking = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-mine"}
    preflight = await client.options("/process", headers=asking)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-headers"] == "x-mine"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert (await client.options("/api/tracks", headers={**asking, **USER})).status_code == 405
    assert (await client.options("/api/tracks", headers=asking)).status_code == 401


async def test_each_separation_of_a_track_can_be_opened(site: Site) -> None:
    finished = job_pb2.JOB_STATE_SUCCEEDED
    made = [Services.job(str(uuid.UUID(int=n)), "user", job_pb2.JOB_KIND_SEPARATION, finished) for n in range(1, 22)]
    for job in made:
        job.result.outputs_are_stems = True
        job.result.outputs.add(id=job.id, name="drums")
    site.services.jobs = {job.id: job for job in made}

    async def list_newest(request: Any) -> Any:
        return library_pb.ListJobsResponse(jobs=made[: request.page_size], total_count=len(made))

    site.services.ListJobs = list_newest  # type: ignore[method-assign]
    oldest, path = made[-1].id, f"/api/tracks/{TRACK}/stems"
    found = (await site.client().get(path, params={"separation_id": oldest}, headers=USER)).json()["data"]
    assert [stem["id"] for stem in found["stems"]] == [oldest]
    assert [each["id"] for each in found["separations"]] == [job.id for job in made[:20]]


async def test_models_are_listed_without_a_component_that_is_down(site: Site) -> None:
    answers = [await site.services.ListModels(None), AppError(Code.UNAVAILABLE, "SERVICE_UNAVAILABLE", "It is down.")]

    async def list_models(_request: Any) -> Any:
        if isinstance(answer := answers.pop(0), AppError):
            raise answer
        return answer

    async def authenticate(_request: Any) -> Any:
        return library_pb.AuthenticateTokenResponse(account=account_pb2.Account(id="boss", role="admin"))

    site.services.ListModels, site.services.AuthenticateToken = list_models, authenticate  # type: ignore[method-assign]
    answer = await site.client().get("/api/admin/models", headers={"Authorization": "Bearer token-of-boss"})
    assert answer.status_code == 200
    assert {model["component"] for model in answer.json()["data"]} == {"separation"}
    assert answer.json()["meta"] == {"unavailable": ["generation"]}


async def test_a_slash_at_the_end_changes_nothing(site: Site) -> None:
    client = site.client()
    assert (await client.get("/api/tracks/", headers=USER)).status_code == 200
    heavy = await client.post("/api/analysis/analyze/", headers=USER, json={"track_id": TRACK})
    assert (heavy.status_code, heavy.headers["x-ratelimit-limit"]) == (201, "2")


# --------------------------------------------------------------------------------------------------------------- health


async def test_health_from_start_to_degraded(site: Site) -> None:
    serving = {"library": True, "ingest": False}

    def check(name: str) -> Callable[[], Any]:
        async def ask() -> bool:
            return serving[name]

        return ask

    health = Health({name: check(name) for name in serving})
    body = lambda: json.loads(bytes(health.response().body))  # noqa: E731
    assert (health.status, health.response().status_code) == ("starting", 503)
    assert health.waiting_for == ["ingest", "library"]
    await health.check()
    starting = {"status": "starting", "version": "", "pipeline_stages": 4, "waiting_for": ["ingest"]}
    assert body() | {"version": ""} == starting
    serving["ingest"] = True
    await health.check()
    assert (health.response().status_code, set(body())) == (200, {"status", "version", "pipeline_stages"})
    assert body()["status"] == "ok"
    healthy = {"status": "healthy", "version": "1.0.0", "pipeline_stages": 4}
    assert json.loads(bytes(health.response("healthy", "1.0.0").body)) == healthy
    serving["library"] = False
    await health.check()
    assert (health.status, health.response().status_code) == ("degraded", 503)
    assert health.waiting_for == ["library"]


def test_only_the_last_proxy_is_believed_and_only_if_it_is_ours() -> None:
    from soundwright.services.gateway.callers.authenticator import peer_address

    scope: Any = {"type": "http", "client": ("10.0.0.9", 1), "headers": [(b"x-forwarded-for", b"6.6.6.6, 203.0.113.7")]}
    assert peer_address(scope, trusted_proxy=False) == "10.0.0.9"
    assert peer_address(scope, trusted_proxy=True) == "203.0.113.7"
    scope["headers"].append((b"x-forwarded-for", b"198.51.100.4"))
    assert peer_address(scope, trusted_proxy=True) == "198.51.100.4"
    for sent in (b"::ffff:198.51.100.4", b"198.51.100.4:4711", b"[::ffff:198.51.100.4]:4711"):
        scope["headers"] = [(b"x-forwarded-for", sent)]
        assert peer_address(scope, trusted_proxy=True) == "198.51.100.4"
    six = SimpleNamespace(scope={"type": "http", "client": ("2001:db8:1:2:3::4", 1), "headers": []})
    assert peer_address(six.scope, trusted_proxy=False) == "2001:db8:1:2::/64"


# ------------------------------------------------------------------------------------------------------------- soundbox

LIMIT_REFUSALS = [
    (Code.RATE_LIMITED, "TOO_MANY_PENDING", {"pending_count": 3, "max_pending": 3}, 429),
    (Code.RATE_LIMITED, "HOURLY_LIMIT", {"hourly_limit": 60, "retry_after": 90}, 429),
    (Code.UNAVAILABLE, "QUEUE_FULL", {"queue_size": 100}, 503),
    (Code.NOT_PROVISIONED, "MODEL_UNAVAILABLE", {"model": "music"}, 503),
]


@pytest.mark.parametrize(("code", "reason", "meta", "status"), LIMIT_REFUSALS)
async def test_a_limit_of_soundbox_says_how_high_it_is(
    site: Site, code: Code, reason: str, meta: dict[str, Any], status: int
) -> None:
    async def refuse(_request: Any) -> None:
        raise AppError(code, reason, "Not now.", meta)

    site.services.CreateJobs = refuse  # type: ignore[attr-defined]
    answer = await site.client("soundbox").post("/generate", json={"prompt": "rain"})
    figures = {} if reason == "MODEL_UNAVAILABLE" else {**({"retry_after": 30} if status == 429 else {}), **meta}
    assert (answer.status_code, answer.json()) == (status, {"success": False, "error": "Not now.", **figures})
    seconds = meta.get("retry_after", 30 if status == 429 else None)
    assert answer.headers.get("retry-after") == (str(seconds) if seconds else None)
    site.services.CreateJob = refuse  # type: ignore[attr-defined]
    site.services.GetTrack = refuse  # type: ignore[attr-defined]
    answer = await site.client().post("/api/processing/separate", headers=USER, json={"track_id": UNKNOWN})
    assert answer.json().get("retry_after") == (seconds if status == 429 else None)


@pytest.mark.parametrize(
    ("used_bytes", "total_bytes", "gpu"),
    [
        (0, 0, {"available": True, "name": "GPU", "busy": True, "memory_used_gb": 0.0, "memory_total_gb": 0.0,
                "memory_percent": 0.0}),
        (6_861_000_000, 25_244_000_000, {"available": True, "name": "GPU", "busy": True, "memory_used_gb": 6.39,
                                         "memory_total_gb": 23.51, "memory_percent": 27.2}),
        (None, None, {"available": False}),
    ],
)  # fmt: skip
async def test_soundbox_shows_models_and_the_gpu(
    site: Site, used_bytes: int | None, total_bytes: int | None, gpu: dict[str, Any]
) -> None:
    async def status(_request: Any, timeout: float) -> Any:
        answer = generation_service_pb2.GetStatusResponse(models={"music": 3, "audio": 2, "magnet-music": 4, "tts": 3})
        if total_bytes is not None:
            answer.device.name, answer.device.busy = "GPU", True
            answer.device.memory_used_bytes, answer.device.memory_total_bytes = used_bytes, total_bytes
        return answer

    async def queue(_request: Any) -> Any:
        return library_pb.GetQueueResponse(queued_count=2, estimated_wait_seconds=11.46)

    site.services.GetStatus, site.services.GetQueue = status, queue  # type: ignore[attr-defined]
    assert (await site.client("soundbox").get("/status")).json() == {
        "models": {"music": "ready", "audio": "loading", "magnet-music": "error", "magnet-audio": "pending"},
        "gpu": gpu,
        "queue_length": 2,
        "estimated_wait": 11.5,
    }


async def test_soundbox_has_no_model_ready_while_generation_starts(site: Site) -> None:
    async def status(_request: Any, timeout: float) -> Any:
        raise AppError(Code.UNAVAILABLE, "SERVICE_UNAVAILABLE", "The generation service does not answer.")

    async def queue(_request: Any) -> Any:
        return library_pb.GetQueueResponse()

    site.services.GetStatus, site.services.GetQueue = status, queue  # type: ignore[attr-defined]
    body = (await site.client("soundbox").get("/status")).json()
    assert (set(body["models"].values()), body["gpu"], body["queue_length"]) == ({"pending"}, {"available": False}, 0)


@pytest.mark.parametrize("dialect", ["all", "pipeline", "soundbox"])
async def test_every_listener_describes_itself(site: Site, dialect: str) -> None:
    paths = (await site.client(dialect).get("/openapi.json")).json()["paths"]  # two routes of one name would warn
    described = [path in paths for path in ("/api/tracks", "/process", "/generate")]
    assert described == [dialect == "all", dialect != "soundbox", dialect != "pipeline"]
