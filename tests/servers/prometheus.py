"""A Prometheus server that scrapes a stack on one machine, and ``promtool``."""

import contextlib
import subprocess
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.servers import executable, free_ports, serving

_HINT = "install Debian's prometheus, or run `make prometheus`"
_FOLDER = Path(__file__).parents[2] / ".servers" / "prometheus" / "usr" / "bin"


def promtool(*arguments: str, text: str = "") -> str:
    """Run ``promtool`` with ``text`` as its input, and return its output. It must succeed."""
    program = executable("promtool", _HINT, _FOLDER)
    done = subprocess.run([program, *arguments], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Prometheus:
    """A running server."""

    def __init__(self, api: httpx.Client) -> None:
        self._api = api

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of a query, evaluated now."""
        answer = self._api.get("/api/v1/query", params={"query": expression})
        assert answer.status_code == 200, f"{expression}: {answer.text}"
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result

    def families(self) -> set[str]:
        """Return the names of all metrics that the components expose, with or without samples."""
        return set(self._api.get("/api/v1/metadata").raise_for_status().json()["data"])

    def alerts(self) -> dict[str, str]:
        groups = self._api.get("/api/v1/rules").raise_for_status().json()["data"]["groups"]
        return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}

    def up(self) -> set[str]:
        """Return the components that were scraped."""
        return {sample["metric"]["component"] for sample in self.query('up{job="soundwright"} == 1')}


@contextlib.contextmanager
def prometheus(folder: Path, sockets: Path, components: Sequence[str], rules: Path) -> Iterator[Prometheus]:
    """Run a server that scrapes the components of a stack every three seconds.

    Args:
        sockets: the folder of the operations sockets.
        rules: a file of rules.
    """
    program = executable("prometheus", _HINT, _FOLDER)
    (port,) = free_ports(1)
    with _bridge(sockets, components) as bridge:
        targets = [
            {"targets": [bridge], "labels": {"component": name, "__metrics_path__": f"/{name}"}} for name in components
        ]
        configuration = {
            "global": {"scrape_interval": "3s", "scrape_timeout": "3s", "evaluation_interval": "3s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "soundwright", "static_configs": targets}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        command = [
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as api:

            def ready() -> bool:
                with contextlib.suppress(httpx.TransportError):
                    return api.get("/-/ready").status_code == 200
                return False

            with serving(command, folder / "prometheus.log", ready):
                yield Prometheus(api)


@contextlib.contextmanager
def _bridge(sockets: Path, components: Sequence[str]) -> Iterator[str]:
    """Serve ``/<component>`` with the metrics behind the component's Unix socket, which Prometheus cannot open."""
    clients = {
        f"/{name}": httpx.Client(transport=httpx.HTTPTransport(uds=str(sockets / f"{name}.ops.sock")), timeout=10)
        for name in components
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # A component may restart, and Prometheus does not wait for long.
            with contextlib.suppress(httpx.TransportError, ConnectionError):
                answer = clients[self.path].get("http://localhost/metrics")
                self.send_response(answer.status_code)
                self.send_header("content-type", answer.headers["content-type"])
                self.end_headers()
                self.wfile.write(answer.content)

        def log_message(self, *_arguments: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        for client in clients.values():
            client.close()
