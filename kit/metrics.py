"""All Prometheus metrics, declared in one place. Labels are bounded: never an id, a name or a path from a client."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "HTTP_DURATION",
    "JOBS_FINISHED",
    "JOBS_RUNNING",
    "JOB_DURATION",
    "JOB_WAIT",
    "RPC_DURATION",
    "SOCKETS_CLOSED",
    "SOCKETS_OPEN",
    "SOCKET_MESSAGES",
    "SWEPT",
    "UPLOAD_BYTES",
    "WEBHOOK_ATTEMPTS",
]

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SLOW = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)

HTTP_DURATION = Histogram(
    "soundwright_http_request_duration_seconds",
    "Time to answer a request, until its last byte",
    ("dialect", "method", "route", "status"),
    buckets=_FAST,
)
RPC_DURATION = Histogram(
    "soundwright_rpc_duration_seconds", "Time to answer a gRPC call", ("method", "code"), buckets=_FAST
)
UPLOAD_BYTES = Counter("soundwright_upload_bytes_total", "Bytes of audio taken in", ("dialect",))
JOB_WAIT = Histogram("soundwright_job_wait_seconds", "Time from submission to start", ("service",), buckets=_SLOW)
JOB_DURATION = Histogram(
    "soundwright_job_duration_seconds",
    "Time of one attempt at a job",
    ("service", "engine", "outcome"),
    buckets=_SLOW,
)
JOBS_FINISHED = Counter("soundwright_jobs_finished_total", "Jobs that reached their end", ("service", "outcome"))
JOBS_RUNNING = Gauge("soundwright_jobs_running_count", "Jobs in work in this process", ("service",))
SWEPT = Counter("soundwright_jobs_swept_total", "Jobs that the sweeper set going again", ("reason",))
SOCKETS_OPEN = Gauge("soundwright_sockets_open_count", "WebSocket connections of this process")
SOCKETS_CLOSED = Counter("soundwright_sockets_closed_total", "WebSocket connections that ended, and why", ("reason",))
SOCKET_MESSAGES = Counter(
    "soundwright_socket_messages_total",
    "Messages on sockets: received, sent, or replaced by newer progress before they were sent",
    ("outcome",),
)
WEBHOOK_ATTEMPTS = Counter(
    "soundwright_webhook_attempts_total", "Attempts to bring a message to a webhook, by what became of it", ("outcome",)
)
