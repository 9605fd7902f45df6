"""Names and channel options of the server and the client."""

import json

# The name in the health service for a server that accepts calls. The other names also need the dependencies of the component.
# A server without its database still gets calls: its error is clearer than that of a call that waits for a healthy server.
ACCEPTING = "soundwright.accepting"
PRINCIPAL_METADATA = "soundwright-principal"
CORRELATION_METADATA = "soundwright-correlation-id"
ADDRESS_METADATA = "soundwright-client-address"
_OPTIONS = (("grpc.max_receive_message_length", 16 * 1024**2), ("grpc.max_send_message_length", 16 * 1024**2))

_KEEPALIVE_MS = 10_000
_SERVICE_CONFIG = {
    # Calls take turns among all addresses of a target whose server is healthy.
    "loadBalancingConfig": [{"round_robin": {}}],
    "healthCheckConfig": {"serviceName": ACCEPTING},
}
CLIENT_OPTIONS = (
    *_OPTIONS,
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    # A service config in the DNS of the cluster would replace this one.
    ("grpc.service_config_disable_resolution", 1),
    # Two channels of a process that share a connection, and watch the health of its server, crash the process at times: when
    # both begin to watch at the same moment, gRPC 1.85 uses a null pointer (HealthProducer::AddWatcher before Start).
    ("grpc.use_local_subchannel_pool", 1),
    # Notice within 20 seconds that a host is gone, even if no packet says so.
    ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # Reconnect to a restarted peer within a second. The default backoff grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Resolve the name of a target again at most this often. The default is 30 seconds.
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
    # Peers are on a private socket or a cluster network. Ignore http_proxy.
    ("grpc.enable_http_proxy", 0),
)
SERVER_OPTIONS = (
    *_OPTIONS,
    ("grpc.so_reuseport", 0),
    # Calls of one connection that run at the same time. Clients queue further calls.
    ("grpc.max_concurrent_streams", 1000),
    # Clients resolve names again when a connection closes, so they find new replicas within a minute. The server closes a
    # connection when its calls have ended.
    ("grpc.max_connection_age_ms", 60_000),
    # Find connections whose client is gone, so that their streams end. The defaults are two hours and 20 seconds.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Accept the keepalive pings of clients.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", _KEEPALIVE_MS // 2),
    ("grpc.keepalive_permit_without_calls", 1),
)
