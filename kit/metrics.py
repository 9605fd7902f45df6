"""All Prometheus metrics. Labels have few values: never an ID, a name or a path from a client."""

from prometheus_client import Counter, Gauge, Histogram

_MODEL_LIMIT = 100
_models: set[str] = set()

_REQUEST_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_STORE_BUCKETS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_JOB_BUCKETS_SECONDS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)


def model_label(model: str) -> str:
    """Return ``model``, or ``other`` if this process has seen many others. Some names come from external services."""
    if len(_models) < _MODEL_LIMIT:
        _models.add(model)
    return model if model in _models else "other"


# HTTP and gRPC

HTTP_DURATION = Histogram(
    "soundwright_http_request_duration_seconds",
    "Duration of an HTTP request, including the response body",
    ("dialect", "method", "route", "status"),
    buckets=_REQUEST_BUCKETS_SECONDS,
)
HTTP_REFUSED = Counter(
    "soundwright_http_refused_total", "Requests and connections that never reached the application, by code", ("code",)
)
RPC_SERVER_DURATION = Histogram(
    "soundwright_rpc_server_duration_seconds",
    "Duration of a gRPC call, as its server measures it",
    ("method", "code"),
    buckets=_REQUEST_BUCKETS_SECONDS,
)
RPC_CLIENT_DURATION = Histogram(
    "soundwright_rpc_client_duration_seconds",
    "Duration of a gRPC call, as its client measures it: with the network and all repetitions",
    ("method", "code"),
    buckets=_REQUEST_BUCKETS_SECONDS,
)
UPLOAD_BYTES = Counter("soundwright_upload_bytes_total", "Uploaded audio in bytes", ("dialect",))
SOCKETS_OPEN = Gauge("soundwright_sockets_open", "Open WebSocket connections of this process")
SOCKETS_CLOSED = Counter("soundwright_sockets_closed_total", "Closed WebSocket connections, by reason", ("reason",))
SOCKET_MESSAGES = Counter(
    "soundwright_socket_messages_total",
    "WebSocket messages: received, sent, or replaced by newer progress before they were sent",
    ("outcome",),
)

DEPENDENCY_READY = Gauge(
    "soundwright_dependency_ready", "Whether the component can use a dependency: 1 or 0, as in /readyz", ("dependency",)
)

# Stores

STORE_DURATION = Histogram(
    "soundwright_store_duration_seconds",
    "Duration of an operation of the document store, the search index, the file store or the broker",
    ("store", "operation", "outcome"),
    buckets=_STORE_BUCKETS_SECONDS,
)

# Jobs

JOBS_QUEUED = Gauge("soundwright_jobs_queued", "Queued jobs of the whole platform", ("kind", "priority"))
JOB_QUEUED_AGE = Gauge(
    "soundwright_job_oldest_queued_age_seconds",
    "Time since the creation of the oldest queued job of the whole platform; 0: none is queued",
    ("kind", "priority"),
)
JOB_WAIT = Histogram(
    "soundwright_job_wait_seconds",
    "Time of a job from its creation to its start",
    ("kind", "priority"),
    buckets=_JOB_BUCKETS_SECONDS,
)
JOB_DURATION = Histogram(
    "soundwright_job_duration_seconds",
    "Duration of one attempt of a job",
    ("kind", "model", "outcome"),
    buckets=_JOB_BUCKETS_SECONDS,
)
JOB_AUDIO = Counter(
    "soundwright_job_audio_seconds_total",
    "Length of the audio that succeeded jobs processed or made",
    ("kind", "model"),
)
JOB_COMPUTE = Counter(
    "soundwright_job_compute_seconds_total", "Time that succeeded jobs needed for this audio", ("kind", "model")
)
JOBS_FINISHED = Counter("soundwright_jobs_finished_total", "Finished jobs", ("kind", "outcome"))
SWEPT = Counter("soundwright_jobs_swept_total", "Jobs that the sweeper restarted", ("reason",))
WORKER_SLOTS = Gauge(
    "soundwright_worker_slots", "Jobs that this process can run at the same time: busy and idle", ("queue", "state")
)
BATCH_TAKES = Histogram(
    "soundwright_generation_batch_takes",
    "Number of takes that a model generates at the same time",
    ("model",),
    buckets=(1, 2, 4, 8, 16, 32),
)
ENGINE_GPU_MEMORY = Gauge(
    "soundwright_engine_gpu_memory_bytes", "GPU memory that the engine processes hold after their last work", ("pool",)
)
ENGINE_GPU_MEMORY_PEAK = Gauge(
    "soundwright_engine_gpu_memory_peak_bytes",
    "Most GPU memory that each engine process held so far, summed",
    ("pool",),
)
GPU_MEMORY = Gauge("soundwright_gpu_memory_bytes", "Memory of the GPU that the engine processes use", ("pool",))

# Messages to others

WEBHOOK_ATTEMPTS = Counter(
    "soundwright_webhook_attempts_total", "Attempts to deliver a webhook message, by outcome", ("outcome",)
)
