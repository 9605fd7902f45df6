"""Every RPC that ``proto/`` declares idempotent: its answer is lost after its effect, and the repeated call succeeds."""

import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from stories import encoded, made, separated, song, upload

from soundwright.kit.security.identity import Principal
from soundwright.library.v1 import job_pb2, track_pb2
from tests.broken_media import jpeg
from tests.lossy_calls import IDEMPOTENT, Calls, a_track, attempt_of, claim_of, job_request
from tests.simulators.lalalai import KEY, LalalaiSimulator
from tests.simulators.media_site import MediaSite
from tests.stacks import Stack

# Uploads in parts need a file store that clients reach: tests/chaos/test_s3_store.py.
ELSEWHERE = {"IngestService.AbortDirectUpload", "IngestService.FinishDirectUpload"}


# What a method needs before, its call whose first answer is lost, and what holds afterwards.


async def session(c: Calls, **_: Any) -> None:
    email = f"{uuid.uuid4().hex}@example.org"
    login = {"email": email, "password": "a long enough one", "ip_address": "192.0.2.1"}
    await c.call("AccountService.Register", **login)
    token = (await c.call("AccountService.CreateSession", **login)).session_token
    await c.repeated_by("gateway", None, "AccountService.DeleteSession", session_token=token)
    with pytest.raises(Exception, match="UNAUTHORIZED"):
        await c.call("AccountService.AuthenticateSession", session_token=token)


async def listed_session(c: Calls, **_: Any) -> None:
    email = f"{uuid.uuid4().hex}@example.org"
    login = {"email": email, "password": "a long enough one", "ip_address": "192.0.2.1"}
    await c.call("AccountService.Register", **login)
    tokens = [(await c.call("AccountService.CreateSession", **login)).session_token for _ in range(3)]
    opened = [await c.call("AccountService.AuthenticateSession", session_token=token) for token in tokens]
    me = Principal(opened[0].account.id, "user")
    await c.repeated_by("gateway", me, "AccountService.EndSession", session_id=opened[0].session_id)
    await c.repeated_by("gateway", me, "AccountService.EndOtherSessions", session_id=opened[1].session_id)
    left = await c.call("AccountService.ListSessions", principal=me, page=1, page_size=10)
    assert ([session.id for session in left.sessions], left.total_count) == ([opened[1].session_id], 1)


async def api_token(c: Calls, **_: Any) -> None:
    token_id = (await c.mine("AccountService.CreateApiToken", name="x")).api_token.id
    await c.repeated("AccountService.DeleteApiToken", api_token_id=token_id)
    assert token_id not in [token.id for token in (await c.mine("AccountService.ListApiTokens")).api_tokens]


async def account(c: Calls, stack: Stack, **_: Any) -> None:
    admin = await c.account_of(stack.token)
    other_id = (await c.account_of(stack.create_account(f"{uuid.uuid4().hex}@example.org"))).id
    change = {"account_id": other_id, "role": "pro", "ip_address": "192.0.2.1"}
    changed = await c.repeated_by("gateway", admin, "AdminService.UpdateAccount", **change)
    assert changed.account.account.role == "pro"
    log = await c.call("AdminService.ListAuditEntries", principal=admin, page=1, page_size=100)
    assert [entry.action for entry in log.entries if entry.resource_id == other_id] == ["role_change"]


async def cancelled_by_administrator(c: Calls, stack: Stack, **_: Any) -> None:
    job, admin = await c.job(), await c.account_of(stack.token)
    cancelled = await c.repeated_by("gateway", admin, "AdminService.CancelUserJob", job_id=job.id)
    assert cancelled.job.state == (await c.state(job)).state == job_pb2.JOB_STATE_CANCELLED


async def allowed_model(c: Calls, stack: Stack, **_: Any) -> None:
    admin, model = await c.account_of(stack.token), f"no-{uuid.uuid4().hex}"
    await c.repeated_by("separation", admin, "AdminService.AllowModel", model=model, terms="none stated")
    log = await c.call("AdminService.ListAuditEntries", principal=admin, action="model_allow", page_size=100)
    assert [entry.resource_id for entry in log.entries].count(model) == 1


async def create_track(c: Calls, **_: Any) -> None:
    track = a_track()
    assert (await c.repeated_by("ingest", c.me, "TrackService.CreateTrack", track=track)).track.id == track.id


async def update_track(c: Calls, **_: Any) -> None:
    new = track_pb2.Track(title="Two")
    changed = await c.repeated("TrackService.UpdateTrack", track_id=await c.track(), track=new, fields=["title"])
    assert changed.track.title == "Two"


async def cover(c: Calls, stack: Stack, **_: Any) -> None:
    track_id = await c.track()
    begun = await c.mine("IngestService.CreateUpload", filename="cover")
    stack.write(begun.blob_key, jpeg(16, 16))
    wanted = {"track_id": track_id, "upload_id": begun.upload_id}
    key = (await c.repeated_by("gateway", c.me, "IngestService.SetCover", **wanted)).track.cover_blob_key
    assert stack.stored(key) == [key]
    changed = await c.repeated_by("ingest", c.me, "TrackService.SetTrackCover", track_id=track_id, blob_key="")
    assert changed.track.cover_blob_key == ""


async def track_link(c: Calls, **_: Any) -> None:
    track_id = await c.track()
    made = await c.mine("TrackService.CreateTrackLink", track_id=track_id, lifetime_days=1)
    await c.repeated("TrackService.DeleteTrackLink", track_id=track_id, link_id=made.link.id)
    assert not (await c.mine("TrackService.ListTrackLinks", track_id=track_id)).links


async def setlist(c: Calls, **_: Any) -> None:
    made = (await c.mine("SetlistService.CreateSetlist", name="One")).setlist
    new = track_pb2.Setlist(name="Two")
    changed = await c.repeated("SetlistService.UpdateSetlist", setlist_id=made.id, setlist=new, fields=["name"])
    assert changed.setlist.name == "Two"
    await c.repeated("SetlistService.DeleteSetlist", setlist_id=made.id)
    assert made.id not in [each.id for each in (await c.mine("SetlistService.ListSetlists")).setlists]


async def delete_track(c: Calls, **_: Any) -> None:
    track_id = await c.track()
    await c.repeated("TrackService.DeleteTrack", track_id=track_id)
    with pytest.raises(Exception, match="TRACK_NOT_FOUND"):
        await c.mine("TrackService.GetTrack", track_id=track_id)


async def record_download(c: Calls, **_: Any) -> None:
    found = a_track()
    job = await c.job(track_id=found.id, creates_track=True, kind=job_pb2.JOB_KIND_DOWNLOAD, output_folder="tracks")
    found.owner_id = c.me.id
    stored = await c.repeated_by("ingest", None, "TrackService.RecordDownload", track=found)
    assert stored.track.blob_key == found.blob_key
    await c.mine("JobService.CancelJob", job_id=job.id)


async def create_job(c: Calls, **_: Any) -> None:
    before = await c.job_count(job_pb2.JOB_KIND_ANALYSIS)
    request = job_request(idempotency_key=str(uuid.uuid4()))
    job = (await c.repeated_by("separation", c.me, "JobService.CreateJob", **request)).job
    assert job.id == request["job_id"]
    assert await c.job_count(job_pb2.JOB_KIND_ANALYSIS) == before + 1
    await c.mine("JobService.CancelJob", job_id=job.id)


async def create_batch(c: Calls, **_: Any) -> None:
    before = await c.job_count(job_pb2.JOB_KIND_BATCH)
    jobs = [job_request() for _ in range(2)]
    batch = {"job_id": str(uuid.uuid4()), "idempotency_key": str(uuid.uuid4()), "jobs": jobs}
    made = await c.repeated_by("separation", c.me, "JobService.CreateBatch", **batch)
    assert (made.batch.id, [job.id for job in made.jobs]) == (batch["job_id"], [job["job_id"] for job in jobs])
    assert await c.job_count(job_pb2.JOB_KIND_BATCH) == before + 1
    await c.mine("JobService.CancelJob", job_id=made.batch.id)


async def separate_batch(c: Calls, track_id: str, **_: Any) -> None:
    before = await c.job_count(job_pb2.JOB_KIND_BATCH)
    wanted = {"track_ids": [track_id], "parameters": {"model": "dsp"}, "idempotency_key": str(uuid.uuid4())}
    made = await c.repeated("SeparationService.CreateBatch", **wanted)
    assert [job.track_id for job in made.batch.batch.jobs] == [track_id]
    assert await c.job_count(job_pb2.JOB_KIND_BATCH) == before + 1


async def cancel_job(c: Calls, **_: Any) -> None:
    job = await c.job()
    assert (await c.repeated("JobService.CancelJob", job_id=job.id)).job.state == job_pb2.JOB_STATE_CANCELLED


async def claim_job(c: Calls, **_: Any) -> None:
    claimed = await c.repeated_by("separation", None, "JobService.ClaimJob", **claim_of(await c.job()))
    assert (claimed.claimed, claimed.job.attempt) == (True, 1)


async def heartbeat(c: Calls, **_: Any) -> None:
    job = await c.running()
    beat = {"lease_seconds": 600.0, "progress_ratio": 0.5}
    answer = await c.repeated_by("separation", None, "JobService.HeartbeatJob", **attempt_of(job), **beat)
    assert not answer.cancel_requested
    assert (await c.state(job)).progress_ratio == 0.5


async def reserve_job_storage(c: Calls, **_: Any) -> None:
    before = (await c.mine("StorageService.GetUsage")).usage.used_bytes
    job = await c.running()
    await c.repeated_by("separation", None, "JobService.ReserveJobStorage", **attempt_of(job), size_bytes=500)
    assert (await c.mine("StorageService.GetUsage")).usage.used_bytes == before + 500
    await c.worker("JobService.FailJob", **attempt_of(job))


async def succeed_job(c: Calls, **_: Any) -> None:
    job = await c.running()
    done = await c.repeated_by("separation", None, "JobService.SucceedJob", **attempt_of(job), result={"engine": "e"})
    assert (done.job.state, done.job.result.engine) == (job_pb2.JOB_STATE_SUCCEEDED, "e")


async def fail_job(c: Calls, **_: Any) -> None:
    job = await c.running()
    error = {"reason": "TEST", "message": "It ends."}
    done = await c.repeated_by("separation", None, "JobService.FailJob", **attempt_of(job), error=error)
    assert (done.job.state, done.job.error.reason) == (job_pb2.JOB_STATE_FAILED, "TEST")


async def release_job(c: Calls, **_: Any) -> None:
    job = await c.running()
    again = await c.repeated_by("separation", None, "JobService.ReleaseJob", **attempt_of(job), refund_attempt=True)
    assert (again.job.state, again.job.attempt_limit) == (job_pb2.JOB_STATE_QUEUED, job.attempt_limit + 1)
    await c.mine("JobService.CancelJob", job_id=job.id)


async def reserve(c: Calls, **_: Any) -> None:
    before = (await c.mine("StorageService.GetUsage")).usage.used_bytes
    upload_id = str(uuid.uuid4())
    usage = (await c.repeated("StorageService.Reserve", reservation_id=upload_id, size_bytes=300)).usage
    assert usage.used_bytes == before + 300
    await c.repeated("StorageService.Release", reservation_id=upload_id)
    assert (await c.mine("StorageService.GetUsage")).usage.used_bytes == before


async def favorite(c: Calls, clip: str, **_: Any) -> None:
    await c.repeated("CatalogService.AddFavorite", generation_id=clip)
    among = await c.mine("CatalogService.CheckFavorites", generation_ids=[clip])
    assert among.favorite_ids == [clip]
    await c.repeated("CatalogService.RemoveFavorite", generation_id=clip)
    assert (await c.mine("CatalogService.CheckFavorites", generation_ids=[clip])).favorite_ids == []


async def clip_fields(c: Calls, clip: str, **_: Any) -> None:
    await c.repeated("CatalogService.RateGeneration", generation_id=clip, rating=4)
    key = (await c.mine("CatalogService.GetGeneration", generation_id=clip)).generation.spectrogram_blob_key
    await c.repeated_by("generation", None, "CatalogService.SetSpectrogram", generation_id=clip, blob_key=key)
    stored = (await c.mine("CatalogService.GetGeneration", generation_id=clip)).generation
    assert (stored.rating, stored.spectrogram_blob_key) == (4, key)


async def vote(c: Calls, clip: str, **_: Any) -> None:
    answer = await c.repeated("CatalogService.Vote", generation_id=clip, vote=1)
    assert (answer.upvote_count, answer.downvote_count, answer.vote) == (1, 0, 1)


async def tag(c: Calls, clip: str, **_: Any) -> None:
    stored = (await c.mine("CatalogService.GetGeneration", generation_id=clip)).generation
    suggestion = {"generation_id": clip, "category": stored.categories[0], "remove": True}
    await c.mine("CatalogService.SuggestTag", **suggestion)
    await c.repeated("CatalogService.WithdrawTag", **suggestion)
    with pytest.raises(Exception, match="SUGGESTION_NOT_FOUND"):
        await c.mine("CatalogService.WithdrawTag", **suggestion)


async def delete_clip(c: Calls, client: httpx.Client, **_: Any) -> None:
    clip = str(uuid.UUID(made(client, "a short beep")))
    await c.repeated("CatalogService.DeleteGeneration", generation_id=clip)
    with pytest.raises(Exception, match="GENERATION_NOT_FOUND"):
        await c.mine("CatalogService.GetGeneration", generation_id=clip)


async def update_playlist(c: Calls, **_: Any) -> None:
    playlist_id = await c.playlist()
    changed = await c.repeated("CatalogService.UpdatePlaylist", playlist_id=playlist_id, name="other")
    assert changed.playlist.name == "other"


async def delete_playlist(c: Calls, **_: Any) -> None:
    playlist_id = await c.playlist()
    await c.repeated("CatalogService.DeletePlaylist", playlist_id=playlist_id)
    with pytest.raises(Exception, match="PLAYLIST_NOT_FOUND"):
        await c.mine("CatalogService.GetPlaylist", playlist_id=playlist_id)


async def playlist_entries(c: Calls, clip: str, **_: Any) -> None:
    playlist_id = await c.playlist(clip)
    await c.repeated("CatalogService.ReorderPlaylist", playlist_id=playlist_id, generation_ids=[clip])
    assert await c.entries(playlist_id) == [clip]
    await c.repeated("CatalogService.RemoveFromPlaylist", playlist_id=playlist_id, generation_id=clip)
    assert await c.entries(playlist_id) == []


async def connection(c: Calls, **_: Any) -> None:
    named = {"account_id": c.me.id, "provider": "spotify"}
    await c.repeated("ConnectionService.PutConnection", provider="spotify", subject=uuid.uuid4().hex, secret="one")
    revision = (await c.call("ConnectionService.GetConnectionSecret", by="ingest", **named)).revision
    replacement = {**named, "secret": "two", "revision": revision}
    await c.repeated_by("ingest", None, "ConnectionService.ReplaceConnectionSecret", **replacement)
    assert (await c.call("ConnectionService.GetConnectionSecret", by="ingest", **named)).secret == "two"
    await c.repeated("ConnectionService.DeleteConnection", provider="spotify")
    assert list((await c.mine("ConnectionService.ListConnections")).connections) == []


async def conversation(c: Calls, **_: Any) -> None:
    turn = {"turn_id": str(uuid.uuid4()), "question": "Why?", "answer": "Because."}
    stored = (await c.repeated_by("analysis", c.me, "ConversationService.AppendTurn", **turn)).conversation
    assert stored.message_count == 2
    await c.repeated("ConversationService.DeleteConversation", conversation_id=stored.id)
    with pytest.raises(Exception, match="CONVERSATION_NOT_FOUND"):
        await c.mine("ConversationService.GetConversation", conversation_id=stored.id)


async def chat(c: Calls, **_: Any) -> None:
    turn = {"turn_id": str(uuid.uuid4()), "message": "How many tracks do I have?"}
    answered = await c.repeated("AgentService.Chat", **turn)
    found = await c.mine("ConversationService.GetConversation", conversation_id=answered.conversation.id)
    assert [message.role for message in found.messages] == ["user", "assistant"]
    await c.mine("ConversationService.DeleteConversation", conversation_id=answered.conversation.id)


async def webhook(c: Calls, site: MediaSite, **_: Any) -> None:
    webhook_id = (await c.mine("WebhookService.CreateWebhook", url=f"http://{site.address}/hook")).webhook.id
    await c.repeated("WebhookService.UpdateWebhook", webhook_id=webhook_id, enabled=False)
    assert [each.enabled for each in await c.webhooks()] == [False]
    await c.repeated("WebhookService.DeleteWebhook", webhook_id=webhook_id)
    assert await c.webhooks() == []


async def abort_upload(c: Calls, **_: Any) -> None:
    begun = await c.mine("IngestService.CreateUpload", filename="a.wav")
    await c.repeated("IngestService.AbortUpload", upload_id=begun.upload_id)


async def downloads(c: Calls, site: MediaSite, client: httpx.Client, **_: Any) -> None:
    url = site.file(f"/{uuid.uuid4().hex}.wav", encoded(song(1.0)), "audio/wav")
    before = await c.job_count(job_pb2.JOB_KIND_DOWNLOAD)
    key = str(uuid.uuid4())
    answer = await c.repeated("IngestService.CreateDownloads", url=url, quality="high", idempotency_key=key)
    assert await c.job_count(job_pb2.JOB_KIND_DOWNLOAD) == before + 1
    await c.mine("TrackService.DeleteTrack", track_id=answer.downloads[0].track_id)


def creates_one_job(method: str, kind: job_pb2.JobKind.ValueType, **fields: Any) -> Callable[..., Awaitable[None]]:
    async def create(c: Calls, track_id: str, **_: Any) -> None:
        before = await c.job_count(kind)
        wanted = {**fields, "track_id": track_id} if kind != job_pb2.JOB_KIND_GENERATION else fields
        await c.repeated(method, **wanted, idempotency_key=str(uuid.uuid4()))
        assert await c.job_count(kind) == before + 1

    return create


async def mix(c: Calls, stack: Stack, track_id: str, **_: Any) -> None:
    key = f"uploads/{uuid.uuid4()}"
    answer = await c.repeated("SeparationService.RenderMix", track_id=track_id, output_key=key)
    assert answer.frame_count > 0
    assert stack.stored(key) == [key]
    stack.delete(key)


async def lalalai_tasks(c: Calls, track_id: str, lalalai: LalalaiSimulator, **_: Any) -> None:
    lalalai.held = True
    try:
        await c.mine("ConnectionService.PutConnection", provider="lalalai", secret=KEY)
        for method in ("SeparationService.CancelLalalaiTask", "SeparationService.CancelLalalaiTasks"):
            begun = await c.mine("SeparationService.CreateJob", track_id=track_id, parameters={"engine": "lalalai"})
            named = {"task_id": begun.job.id} if method.endswith("Task") else {}
            await c.repeated(method, **named)
            job = await c.state(begun.job)
            assert job.state == job_pb2.JOB_STATE_CANCELLED or job.cancel_requested
    finally:
        lalalai.held = False


async def clip_files(c: Calls, stack: Stack, clip: str, **_: Any) -> None:
    for method in ("RenderSpectrogram", "RenderParts"):
        key = (await c.repeated(f"GenerationService.{method}", generation_id=clip)).blob_key
        assert stack.stored(key) == [key]


async def stem_spectrogram(c: Calls, stack: Stack, track_id: str, **_: Any) -> None:
    stem = (await c.mine("TrackService.ListStems", track_id=track_id)).stems[0]
    key = (await c.repeated("AnalysisService.RenderSpectrogram", stem_id=stem.id)).blob_key
    assert stack.stored(key) == [key]


REPEATED: dict[str, Callable[..., Awaitable[None]]] = {
    "AccountService.DeleteSession": session,
    "AccountService.DeleteApiToken": api_token,
    "AccountService.EndSession": listed_session,
    "AccountService.EndOtherSessions": listed_session,
    "AdminService.UpdateAccount": account,
    "AdminService.CancelUserJob": cancelled_by_administrator,
    "AdminService.AllowModel": allowed_model,
    "TrackService.CreateTrack": create_track,
    "TrackService.UpdateTrack": update_track,
    "IngestService.SetCover TrackService.SetTrackCover": cover,
    "TrackService.DeleteTrackLink": track_link,
    "SetlistService.UpdateSetlist SetlistService.DeleteSetlist": setlist,
    "TrackService.DeleteTrack": delete_track,
    "TrackService.RecordDownload": record_download,
    "JobService.CreateJob": create_job,
    "JobService.CreateBatch": create_batch,
    "JobService.CancelJob": cancel_job,
    "JobService.ClaimJob": claim_job,
    "JobService.HeartbeatJob": heartbeat,
    "JobService.ReserveJobStorage": reserve_job_storage,
    "JobService.SucceedJob": succeed_job,
    "JobService.FailJob": fail_job,
    "JobService.ReleaseJob": release_job,
    "StorageService.Reserve StorageService.Release": reserve,
    "CatalogService.AddFavorite CatalogService.RemoveFavorite": favorite,
    "CatalogService.RateGeneration CatalogService.SetSpectrogram": clip_fields,
    "CatalogService.Vote": vote,
    "CatalogService.WithdrawTag": tag,
    "CatalogService.DeleteGeneration": delete_clip,
    "CatalogService.UpdatePlaylist": update_playlist,
    "CatalogService.DeletePlaylist": delete_playlist,
    "CatalogService.ReorderPlaylist CatalogService.RemoveFromPlaylist": playlist_entries,
    "ConnectionService.PutConnection ConnectionService.ReplaceConnectionSecret ConnectionService.DeleteConnection": (
        connection
    ),
    "ConversationService.AppendTurn ConversationService.DeleteConversation": conversation,
    "AgentService.Chat": chat,
    "WebhookService.UpdateWebhook WebhookService.DeleteWebhook": webhook,
    "IngestService.AbortUpload": abort_upload,
    "IngestService.CreateDownloads": downloads,
    "SeparationService.CreateJob": creates_one_job(
        "SeparationService.CreateJob", job_pb2.JOB_KIND_SEPARATION, parameters={"model": "dsp"}
    ),
    "SeparationService.CreateBatch": separate_batch,
    "SeparationService.CreatePipelineJob": creates_one_job(
        "SeparationService.CreatePipelineJob", job_pb2.JOB_KIND_PIPELINE
    ),
    "SeparationService.CreateExportJob": creates_one_job("SeparationService.CreateExportJob", job_pb2.JOB_KIND_EXPORT),
    "SeparationService.RenderMix": mix,
    "SeparationService.CancelLalalaiTask SeparationService.CancelLalalaiTasks": lalalai_tasks,
    "AnalysisService.CreateJob": creates_one_job("AnalysisService.CreateJob", job_pb2.JOB_KIND_ANALYSIS),
    "GenerationService.CreateJobs": creates_one_job(
        "GenerationService.CreateJobs",
        job_pb2.JOB_KIND_GENERATION,
        parameters={"prompt": "a beep", "duration_seconds": 1.0, "seed": -1},
    ),
    "GenerationService.RenderSpectrogram GenerationService.RenderParts": clip_files,
    "AnalysisService.RenderSpectrogram": stem_spectrogram,
}


@pytest.fixture(scope="module")
def client(stack: Stack) -> Any:
    """The client of an account that nobody else uses."""
    with stack.client(stack.create_account(f"repeats.{uuid.uuid4().hex[:8]}@example.org")) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module")
async def calls(stack: Stack, client: httpx.Client) -> AsyncIterator[Calls]:
    folder = Path(tempfile.mkdtemp())  # short enough for a socket
    opened = Calls(stack.settings, folder)
    await opened.start(client.headers["Authorization"].removeprefix("Bearer "))
    admin = await opened.account_of(stack.token)
    quota = {"account_id": opened.me.id, "storage_quota_bytes": 1 << 30, "ip_address": "192.0.2.1"}
    await opened.call("AdminService.UpdateAccount", principal=admin, **quota)
    yield opened
    await opened.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def clip(client: httpx.Client) -> str:
    return str(uuid.UUID(made(client, "calm piano music")))


@pytest.fixture(scope="module")
def track_id(client: httpx.Client) -> str:
    track_id = str(upload(client, encoded(song(1.0)))["id"])
    separated(client, track_id)
    return track_id


def test_every_idempotent_rpc_has_a_row() -> None:
    named = [method for row in REPEATED for method in row.split()]
    assert sorted([*named, *ELSEWHERE]) == sorted(IDEMPOTENT)


@pytest.mark.parametrize("row", REPEATED)
async def test_a_call_whose_answer_was_lost_succeeds_when_it_is_repeated(
    stack: Stack,
    calls: Calls,
    client: httpx.Client,
    clip: str,
    track_id: str,
    site: MediaSite,
    lalalai: LalalaiSimulator,
    row: str,
) -> None:
    await REPEATED[row](calls, stack=stack, client=client, clip=clip, track_id=track_id, site=site, lalalai=lalalai)
    lost = {each for proxy in calls.proxies.values() for each in proxy.lost}
    for name in row.split():
        method = IDEMPOTENT[name]
        assert f"/{method.containing_service.full_name}/{method.name}" in lost
