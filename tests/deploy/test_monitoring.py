"""Alerts and dashboards: ``promtool`` evaluates each alert, and each names a runbook."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import soundwright.kit.metrics
from tests.deploy.monitoring import METRIC, alerts, dashboards, queries, write_rules
from tests.servers.prometheus import promtool

REPOSITORY = Path(__file__).parents[2]
COMPONENTS = ("gateway", "library", "ingest", "separation", "analysis", "generation")


@dataclass(frozen=True)
class Case:
    """Samples with which an alert fires, and samples with which it does not. The values are for one sample a minute.

    Attributes:
        firing: values by series. Series have the label ``job="soundwright"`` besides.
        quiet: the same.
        labels: those of the alert that fires, apart from the severity.
        summary: of the alert that fires.
        minutes: after which it is evaluated.
    """

    firing: Mapping[str, str]
    quiet: Mapping[str, str]
    labels: Mapping[str, str]
    summary: str
    minutes: int = 60


def requests(status: str, values: str) -> dict[str, str]:
    return {f'soundwright_http_request_duration_seconds_count{{dialect="forge", status="{status}"}}': values}


def waits(metric: str, labels: str, below: float, above: float, share: int) -> dict[str, str]:
    """Return a histogram of 100 calls a minute, of which ``share`` take between ``below`` and ``above`` seconds."""
    return {
        f'{metric}_bucket{{{labels}, le="{below}"}}': f"0+{100 - share}x120",
        f'{metric}_bucket{{{labels}, le="{above}"}}': "0+100x120",
        f'{metric}_bucket{{{labels}, le="+Inf"}}': "0+100x120",
        f"{metric}_count{{{labels}}}": "0+100x120",
    }


def ups(*missing: str) -> dict[str, str]:
    return {f'up{{component="{name}"}}': "0x120" if name in missing else "1x120" for name in COMPONENTS}


HTTP = 'dialect="forge", method="GET", route="/api/tracks"'
CALL = 'component="gateway", method="/soundwright.library.v1.JobService/GetJob"'
JOBS = "soundwright_jobs_finished_total"
MODEL = 'kind="separation", model="htdemucs"'
POOL = 'component="separation-worker", pool="separation"'
CASES = {
    "SoundwrightComponentMissing": Case(
        firing=ups("analysis") | {'up{component="analysis", instance="other"}': "1x10 _x110"},
        quiet=ups() | {'up{component="analysis", instance="other"}': "0x120"},
        labels={"job": "soundwright", "component": "analysis"},
        summary="No process of analysis answers Prometheus.",
    ),
    "SoundwrightDependencyFailing": Case(
        firing={
            'soundwright_dependency_ready{component="library", dependency="broker", instance="a"}': "1x120",
            'soundwright_dependency_ready{component="library", dependency="broker", instance="b"}': "0x120",
        },
        quiet={'soundwright_dependency_ready{component="library", dependency="broker"}': "0 1x57 0 1x60"},
        labels={"component": "library", "dependency": "broker"},
        summary="A process of library cannot use broker.",
    ),
    "SoundwrightHttpErrors": Case(
        firing=requests("200", "0+90x120") | requests("503", "0+10x120"),
        quiet=requests("200", "0+90x120") | requests("404", "0+90x120") | requests("500", "0+1x120"),
        labels={"dialect": "forge"},
        summary="10% of the HTTP requests of forge fail.",
    ),
    "SoundwrightHttpSlow": Case(
        firing=waits("soundwright_http_request_duration_seconds", HTTP, 2, 4, share=10),
        quiet=waits("soundwright_http_request_duration_seconds", HTTP, 2, 4, share=1)
        | waits(
            "soundwright_http_request_duration_seconds", HTTP.replace("tracks", "export/stem/{id}"), 2, 4, share=90
        ),
        labels={"dialect": "forge"},
        summary="One GET request in twenty of forge takes longer than 3s.",
    ),
    "SoundwrightRpcErrors": Case(
        firing={
            f'soundwright_rpc_client_duration_seconds_count{{{CALL}, code="OK"}}': "0+80x120",
            f'soundwright_rpc_client_duration_seconds_count{{{CALL}, code="UNAVAILABLE"}}': "0+20x120",
        },
        quiet={
            f'soundwright_rpc_client_duration_seconds_count{{{CALL}, code="OK"}}': "0+80x120",
            f'soundwright_rpc_client_duration_seconds_count{{{CALL}, code="NOT_FOUND"}}': "0+80x120",
            f'soundwright_rpc_client_duration_seconds_count{{{CALL}, code="UNAVAILABLE"}}': "0+5x120",
        },
        labels={"component": "gateway", "method": "/soundwright.library.v1.JobService/GetJob"},
        summary="20% of the calls of gateway to /soundwright.library.v1.JobService/GetJob fail.",
    ),
    "SoundwrightStoreFailing": Case(
        firing={
            'soundwright_store_duration_seconds_count{component="ingest", store="blobs", outcome="ok"}': "0+90x120",
            'soundwright_store_duration_seconds_count{component="ingest", store="blobs", outcome="failed"}': "0+10x120",
        },
        quiet={
            'soundwright_store_duration_seconds_count{component="ingest", store="blobs", outcome="ok"}': "0+10x120",
            'soundwright_store_duration_seconds_count{component="ingest", store="blobs", outcome="refused"}': "0+90x120",
        },
        labels={"component": "ingest", "store": "blobs"},
        summary="10% of the operations of ingest on blobs fail.",
    ),
    "SoundwrightStoreSlow": Case(
        firing=waits("soundwright_store_duration_seconds", 'component="library", store="search"', 0.5, 1, share=10),
        quiet=waits("soundwright_store_duration_seconds", 'component="library", store="search"', 0.5, 1, share=1)
        | waits("soundwright_store_duration_seconds", 'component="library", store="blobs"', 0.5, 1, share=90),
        labels={"component": "library", "store": "search"},
        summary="One operation in twenty of library on search takes longer than 750ms.",
    ),
    "SoundwrightQueueUnknown": Case(
        firing={'soundwright_jobs_queued{kind="export", priority="free"}': "0x30 _x90"},
        quiet={'soundwright_jobs_queued{kind="export", priority="free"}': "0x120"},
        labels={"job": "soundwright"},
        summary="No library reports the queues.",
    ),
    "SoundwrightQueueStuck": Case(
        firing={
            'soundwright_jobs_queued{kind="separation", priority="free", instance="a"}': "3x180",
            'soundwright_jobs_queued{kind="separation", priority="free", instance="b"}': "3x180",
            'soundwright_jobs_queued{kind="separation", priority="admin", instance="b"}': "1x180",
            f'{JOBS}{{kind="separation", outcome="succeeded"}}': "0+1x30 30x150",
            f'{JOBS}{{kind="analysis", outcome="succeeded"}}': "0+1x180",
        },
        quiet={
            'soundwright_jobs_queued{kind="separation", priority="free"}': "3x180",
            'soundwright_jobs_queued{kind="export", priority="free"}': "0x180",
            f'{JOBS}{{kind="separation", outcome="failed"}}': "0x25 1x25 2x25 3x25 4x25 5x25",
        },
        labels={"kind": "separation"},
        summary="4 separation jobs wait, and none has finished for 30 minutes.",
        minutes=120,
    ),
    "SoundwrightQueueOld": Case(
        firing={
            'soundwright_job_oldest_queued_age_seconds{kind="analysis", priority="free", instance="a"}': "0+60x120",
            'soundwright_job_oldest_queued_age_seconds{kind="analysis", priority="free", instance="b"}': "0+60x120",
        },
        quiet={'soundwright_job_oldest_queued_age_seconds{kind="analysis", priority="free"}': "1700x120"},
        labels={"kind": "analysis", "priority": "free"},
        summary="The oldest analysis job with priority free has waited for 1h 0m 0s.",
    ),
    "SoundwrightJobsFailing": Case(
        firing={
            f'{JOBS}{{kind="download", outcome="succeeded"}}': "0+1x120",
            f'{JOBS}{{kind="download", outcome="failed"}}': "0+1x120",
        },
        quiet={
            f'{JOBS}{{kind="download", outcome="succeeded"}}': "0+1x120",
            f'{JOBS}{{kind="download", outcome="cancelled"}}': "0+9x120",
            f'{JOBS}{{kind="export", outcome="failed"}}': "0x40 1x80",
        },
        labels={"kind": "download"},
        summary="50% of the download jobs fail.",
    ),
    "SoundwrightJobsLost": Case(
        firing={'soundwright_jobs_swept_total{reason="lease"}': "0+1x120"},
        quiet={
            'soundwright_jobs_swept_total{reason="lease"}': "0x50 1x70",
            'soundwright_jobs_swept_total{reason="expiry"}': "0+9x120",
        },
        labels={"reason": "lease"},
        summary="The sweeper restarted 15 jobs in 15 minutes, because their lease was lost.",
    ),
    "SoundwrightModelSlow": Case(
        firing={
            f"soundwright_job_audio_seconds_total{{{MODEL}}}": "0+6x120",
            f"soundwright_job_compute_seconds_total{{{MODEL}}}": "0+60x120",
        },
        quiet={
            f"soundwright_job_audio_seconds_total{{{MODEL}}}": "0+60x120",
            f"soundwright_job_compute_seconds_total{{{MODEL}}}": "0+60x120",
        },
        labels={"kind": "separation", "model": "htdemucs"},
        summary="htdemucs processes 0.10 seconds of audio per second.",
    ),
    "SoundwrightGpuMemoryShort": Case(
        firing={
            f"soundwright_engine_gpu_memory_peak_bytes{{{POOL}}}": "98x120",
            f"soundwright_gpu_memory_bytes{{{POOL}}}": "100x120",
        },
        quiet={
            f"soundwright_engine_gpu_memory_peak_bytes{{{POOL}}}": "50x120",
            f"soundwright_gpu_memory_bytes{{{POOL}}}": "100x120",
        },
        labels={"job": "soundwright", "component": "separation-worker", "pool": "separation"},
        summary="The engine processes separation of separation-worker have used 98% of their GPU's memory.",
    ),
    "SoundwrightWebhooksFailing": Case(
        firing={
            'soundwright_webhook_attempts_total{outcome="delivered"}': "0+1x120",
            'soundwright_webhook_attempts_total{outcome="pending"}': "0+3x120",
        },
        quiet={
            'soundwright_webhook_attempts_total{outcome="delivered"}': "0+3x120",
            'soundwright_webhook_attempts_total{outcome="failed"}': "0+1x120",
        },
        labels={},
        summary="75% of the webhook attempts fail.",
    ),
}


def test_promtool_accepts_the_rules(tmp_path: Path) -> None:
    assert "SUCCESS" in promtool("check", "rules", str(write_rules(tmp_path / "rules.yml")))


def test_each_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    rules = alerts()
    assert CASES.keys() == rules.keys()
    tests = []
    for name, case in CASES.items():
        rule = rules[name]
        alert = {
            "exp_labels": {**case.labels, **rule["labels"]},
            "exp_annotations": {**rule["annotations"], "summary": case.summary},
        }
        tests += [_test(name, case, case.firing, [alert]), _test(name, case, case.quiet, [])]
    file = tmp_path / "tests.yml"
    rule_file = str(write_rules(tmp_path / "rules.yml"))
    file.write_text(yaml.safe_dump({"rule_files": [rule_file], "evaluation_interval": "1m", "tests": tests}))
    promtool("test", "rules", str(file))


def _test(name: str, case: Case, values: Mapping[str, str], expected: list[Any]) -> dict[str, Any]:
    series = [{"series": key.replace("{", '{job="soundwright", ', 1), "values": value} for key, value in values.items()]
    at = {"eval_time": f"{case.minutes}m", "alertname": name, "exp_alerts": expected}
    return {"interval": "1m", "input_series": series, "alert_rule_test": [at]}


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    folder = REPOSITORY / "docs" / "runbooks"
    assert {path.stem for path in folder.glob("Soundwright*.md")} == alerts().keys()
    for name, rule in alerts().items():
        text = (REPOSITORY / rule["annotations"]["runbook_url"]).read_text()
        assert text.startswith(f"# {name}\n")
        assert [line for line in text.splitlines() if line.startswith("## ")] == ["## Meaning", "## Impact", "## Steps"]
        assert "\n1. " in text
        assert f"({name}.md)" in (folder / "README.md").read_text()


def test_every_query_reads_metrics_of_the_code() -> None:
    families = {family.name for family in REGISTRY.collect()}
    known = {"up"} | {
        name + suffix
        for name, suffix in itertools.product(families, ("", "_total", "_bucket", "_count", "_sum"))
        if name.startswith("soundwright_")
    }
    assert soundwright.kit.metrics.__name__  # registers them
    used = {name: rule["expr"] for name, rule in alerts().items()}
    for file, dashboard in dashboards().items():
        used |= {f"{file}: {title}": query for title, query in queries(dashboard, "1m").items()}
    assert len(used) > 40
    for where, query in used.items():
        names = set(METRIC.findall(query))
        assert names, where
        assert names <= known, where


@pytest.mark.parametrize("name", dashboards())
def test_panels_have_ids_of_their_own_and_do_not_overlap(name: str) -> None:
    panels = dashboards()[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells: list[tuple[int, int]] = []
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells += itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        )
    assert len(set(cells)) == len(cells)
