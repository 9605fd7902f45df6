"""Traces and metrics of a running stack, as an OpenTelemetry receiver and a Prometheus server get them."""

import contextlib
import functools
import math
import os
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from unittest import mock

import httpx
import pytest
from stories import UNHURRIED, encoded, finished, made, song, upload

from soundwright.kit.settings import QUEUES
from tests.deploy.monitoring import METRIC, alerts, dashboards, queries, write_rules
from tests.servers.otlp import ReceivedSpan, Receiver, otlp
from tests.servers.prometheus import Prometheus, prometheus, promtool
from tests.stacks import Stack, embedded
from tests.waiting import eventually

CLIENT_SPAN = "00f067aa0ba902b7"
EMAIL = "somebody@example.org"
FILE_NAME = "a-song-of-mine.wav"
JOB_SERVICE = "soundwright.library.v1.JobService"


COMPONENTS = ("gateway", "library", "ingest", "separation", "analysis", "generation")
KINDS = ("separation", "analysis", "export", "generation")
# What these panels show may not happen in this test: a GPU, webhooks, messages of sockets, failures and refusals.
QUIET = {
    "Share of failed requests (5xx) A",
    "Webhook attempts A",
    "WebSocket connections B",
    "GPU memory of engine processes A",
    "GPU memory of engine processes B",
    "GPU memory of engine processes C",
    "gRPC errors at the client A",
    "Store failures A",
    "Store refusals A",
}


@dataclass(frozen=True)
class Observed:
    stack: Stack
    receiver: Receiver


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    with (
        otlp() as receiver,
        mock.patch.dict(os.environ, {"OTEL_BSP_SCHEDULE_DELAY": "100"}),
        embedded(
            tmp_path_factory.mktemp("observed"),
            {**UNHURRIED, "HF_HUB_OFFLINE": "1", "SOUNDWRIGHT_OTLP_ENDPOINT": receiver.url},
        ) as stack,
    ):
        yield Observed(stack, receiver)


def traceparent(trace_id: str) -> dict[str, str]:
    return {"traceparent": f"00-{trace_id}-{CLIENT_SPAN}-01"}


def only(spans: list[ReceivedSpan], component: str, name: str, kind: str) -> ReceivedSpan:
    (found,) = [span for span in spans if (span.component, span.name, span.kind) == (component, name, kind)]
    return found


def test_a_trace_follows_a_request_to_the_worker_of_its_job(observed: Observed) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    with observed.stack.client() as client:
        files = {"file": (FILE_NAME, encoded(song(1.0)), "audio/wav")}
        track = client.post("/api/tracks", data={"title": EMAIL}, files=files).json()["data"]
        body = {"track_id": track["id"], "features": ["tempo"]}
        job_id = client.post("/api/analysis/analyze", json=body, headers=traceparent(trace_id)).json()["data"]["job_id"]
        assert finished(client, f"/api/jobs/{job_id}")["status"] == "completed"

    def complete(spans: list[ReceivedSpan]) -> bool:
        return {("analysis", "job analysis"), ("gateway", "POST /api/analysis/analyze")} <= {
            (span.component, span.name) for span in spans
        }

    spans = observed.receiver.trace(trace_id, complete)
    request = only(spans, "gateway", "POST /api/analysis/analyze", "server")
    assert request.parent_id == CLIENT_SPAN
    assert request.attributes["http.route"] == "/api/analysis/analyze"
    assert request.attributes["http.response.status_code"] in (200, 201, 202)
    create = "soundwright.analysis.v1.AnalysisService/CreateJob"
    called = only(spans, "gateway", create, "client")
    served = only(spans, "analysis", create, "server")
    assert (called.parent_id, served.parent_id) == (request.id, called.id)
    storing = only(spans, "analysis", f"{JOB_SERVICE}/CreateJob", "client")
    stored = only(spans, "library", f"{JOB_SERVICE}/CreateJob", "server")
    assert (storing.parent_id, stored.parent_id) == (served.id, storing.id)
    (published,) = [span for span in spans if span.kind == "producer"]
    assert published.parent_id == served.id
    job = only(spans, "analysis", "job analysis", "consumer")
    assert job.parent_id == stored.id
    assert job.links == (published.id,)
    assert job.attributes["soundwright.job.id"] == job_id
    assert job.attributes["soundwright.job.outcome"] == "succeeded"
    assert only(spans, "analysis", f"{JOB_SERVICE}/SucceedJob", "client").parent_id == job.id
    # Heartbeats are no part of the trace: a long job sends thousands.
    assert not [span for span in spans if "Heartbeat" in span.name]
    assert {span.parent_id for span in spans} <= {CLIENT_SPAN, *(span.id for span in spans)}


def test_a_failure_is_named_by_its_reason(observed: Observed) -> None:
    trace_id = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    with observed.stack.client() as client:
        assert client.get(f"/api/tracks/{uuid.uuid4()}", headers=traceparent(trace_id)).status_code == 404
        # An unknown path is no name of a span.
        assert client.get(f"/api/{EMAIL}", headers=traceparent(trace_id)).status_code == 404

    def complete(spans: list[ReceivedSpan]) -> bool:
        return len([span for span in spans if span.parent_id == CLIENT_SPAN]) == 2 and any(
            span.component == "library" and span.error for span in spans
        )

    spans = observed.receiver.trace(trace_id, complete)
    failed = [span for span in spans if span.name.endswith("TrackService/GetTrack")]
    assert {(span.component, span.kind, span.error) for span in failed} == {
        ("gateway", "client", "TRACK_NOT_FOUND"),
        ("library", "server", "TRACK_NOT_FOUND"),
    }
    assert {span.name for span in spans if span.parent_id == CLIENT_SPAN} == {
        "GET /api/tracks/{track_id}",
        "GET unmatched",
    }


def test_every_other_trace_begins_with_a_request(observed: Observed) -> None:
    """Health checks, polling of the broker and the sweeper make no traces."""
    with httpx.Client(base_url=observed.stack.base_url) as client:
        client.get("/health")
        bad = client.get("/api/categories", headers={"traceparent": "00-nonsense"})
        assert bad.status_code < 500
        trace_id = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
        client.get("/api/categories", headers=traceparent(trace_id))
    observed.receiver.trace(trace_id, lambda spans: any(span.component == "gateway" for span in spans))
    begun = [span for span in observed.receiver.spans() if not span.parent_id]
    assert begun
    assert {(span.component, span.kind) for span in begun} == {("gateway", "server")}
    assert not [span for span in begun if span.name.endswith("/health")]


def test_spans_contain_no_secret_and_no_text_of_users(observed: Observed) -> None:
    raw = b"".join(observed.receiver.raw)
    assert b"POST /api/tracks" in raw
    for text in (observed.stack.token, EMAIL, FILE_NAME, str(observed.stack.data_dirs[0])):
        assert text.encode() not in raw


@pytest.fixture(scope="module")
def scraped(observed: Observed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A server that has scraped the stack before, between and after two rounds of work."""
    folder = tmp_path_factory.mktemp("prometheus")
    sockets = observed.stack.settings.run_dir
    with prometheus(folder, sockets, COMPONENTS, write_rules(folder / "rules.yml")) as server:
        eventually(lambda: server.up() == set(COMPONENTS))
        for number in (1, 2):
            work(observed.stack, number)
            eventually(functools.partial(has_finished, server, number))
        yield server


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that a later scrape may bring: scrapes of a busy machine may fail."""
    try:
        eventually(condition)
    except AssertionError:
        pytest.fail(what)


def work(stack: Stack, seed: int) -> None:
    """Let every component work once, and the gateway refuse something."""
    with stack.client() as client:
        track = upload(client, encoded(song(1.0, seed=seed)))
        for path, wish in (
            ("/api/processing/separate", {"model": "dsp"}),
            ("/api/analysis/analyze", {"features": ["tempo"]}),
            ("/api/export/stems", {}),
        ):
            answer = client.post(path, json={"track_id": track["id"], **wish})
            assert finished(client, f"/api/jobs/{answer.json()['data']['job_id']}")["status"] == "completed"
        made(client, "a calm piano")
        assert client.get(f"/api/tracks/{uuid.uuid4()}").status_code == 404


def has_finished(server: Prometheus, count: int) -> bool:
    """Return whether the server knows of ``count`` jobs of each kind."""
    query = f'sum by (kind) (soundwright_jobs_finished_total{{outcome="succeeded"}}) >= {count}'
    return {sample["metric"]["kind"] for sample in server.query(query)} >= set(KINDS)


def returns_data(server: Prometheus, query: str) -> bool:
    return any(math.isfinite(float(sample["value"][1])) for sample in server.query(query))


def test_every_query_of_a_dashboard_returns_data(scraped: Prometheus) -> None:
    used = {title: query for dashboard in dashboards().values() for title, query in queries(dashboard, "10m").items()}
    families = scraped.families()
    for title in QUIET:
        assert {metric.removesuffix("_count") for metric in METRIC.findall(used[title])} <= families, title
    waiting = used.keys() - QUIET

    def complete() -> bool:
        waiting.difference_update([title for title in waiting if returns_data(scraped, used[title])])
        return not waiting

    with contextlib.suppress(AssertionError):
        eventually(complete)
    assert not waiting


def test_prometheus_evaluates_every_alert(scraped: Prometheus) -> None:
    eventually(lambda: set(scraped.alerts().values()) == {"ok"})
    assert scraped.alerts().keys() == alerts().keys()
    exposed = scraped.families() | {"up"}
    for name, rule in alerts().items():
        for metric in METRIC.findall(rule["expr"]):
            assert {metric, metric.removesuffix("_bucket"), metric.removesuffix("_count")} & exposed, name


def test_a_worker_reports_its_speed_and_its_slots(scraped: Prometheus) -> None:
    def values(query: str, label: str) -> dict[str, float]:
        return {sample["metric"][label]: float(sample["value"][1]) for sample in scraped.query(query)}

    def worked() -> bool:
        audio = values("sum by (kind) (soundwright_job_audio_seconds_total)", "kind")
        compute = values("sum by (kind) (soundwright_job_compute_seconds_total)", "kind")
        # Two songs of one second, and two clips of one second.
        return all(audio.get(kind) == pytest.approx(2, abs=0.1) for kind in ("separation", "generation")) and all(
            compute.get(kind, 0) > 0 for kind in audio
        )

    wait_for(worked, "audio and compute seconds")
    slots = dict.fromkeys(QUEUES, 1) | {"ingest": 4, "lalalai": 4}
    wait_for(lambda: values('soundwright_worker_slots{state="idle"}', "queue") == slots, "idle slots")


def test_what_clients_send_becomes_no_label(observed: Observed, scraped: Prometheus) -> None:
    with httpx.Client(base_url=observed.stack.base_url) as client:
        for number in range(20):
            client.get(f"/api/hostile{number}/{EMAIL}")
            client.request(f"HOSTILE{number}", "/api/tracks")
            client.get(f"/api/jobs/hostile{number}")
    unmatched = 'sum(soundwright_http_request_duration_seconds_count{route="unmatched"}) >= 20'
    wait_for(lambda: bool(scraped.query(unmatched)), "requests without a route")
    samples = scraped.query('{__name__=~"soundwright_.+"}')
    assert len(samples) < 20_000
    for sample in samples:
        assert not [value for value in sample["metric"].values() if "hostile" in value.lower() or EMAIL in value]


def test_names_of_metrics_follow_the_conventions_of_prometheus(observed: Observed) -> None:
    for component in COMPONENTS:
        transport = httpx.HTTPTransport(uds=str(observed.stack.settings.run_dir / f"{component}.ops.sock"))
        with httpx.Client(transport=transport) as client:
            lines = client.get("http://localhost/metrics").text.splitlines()
        own = [line for line in lines if re.match(r"(# (HELP|TYPE) )?soundwright_", line)]
        promtool("check", "metrics", text="\n".join(own) + "\n")
