"""lalal.ai as the platform sees it: the part of its API, version 1, that takes recordings apart, and the files it gives.

Its stems are shares of the recording that was sent, so that a test can tell whose stem it has got, and that all of them
together are the recording again.
"""

import io
import json
import re
import threading
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soundfile

from tests.simulators.server import Handler, Simulator

KEY = "the-platforms-license"
SHARES = {"vocals": 0.5, "drum": 0.25, "bass": 0.125}
"""What of the recording each stem is; behind them remains the rest."""

_MULTISTEM = {"vocals", "drum", "piano", "bass", "electric_guitar", "acoustic_guitar"}
_SINGLE = _MULTISTEM | {"synthesizer", "strings", "wind"}
_SPLITTERS = {"auto", "andromeda", "perseus", "orion", "phoenix", "lyra"}
_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@dataclass
class Source:
    key: str
    name: str
    content: bytes
    seconds: float


@dataclass
class Task:
    key: str
    source_id: str
    stems: list[str]
    splitter: str
    label: str  # of what remains
    percents: deque[int]
    percent: int = 0
    status: str = "progress"
    checked: bool = False
    error: dict[str, Any] | None = None


@dataclass
class _Account:
    minutes: float
    idempotency: dict[str, str] = field(default_factory=dict)


class LalalaiSimulator(Simulator):
    """
    Attributes:
        seen: path and license key of every request to the API, in order.
        percents: what a new task tells of its progress, one after the other; then it has succeeded.
        held: tasks stay where they are.
        failures: (path, status, body, headers) of answers that the next requests to a path get instead.
        answers: bodies that every request to a path is answered with, as long as they are there.
        files: what is served for a label, instead of the stem.
        sources, tasks: by id.
    """

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.accounts = {KEY: _Account(1000.0)}
        self.seen: list[tuple[str, str]] = []
        self.percents: list[int] = [0, 40, 80]
        self.held = False
        self.failures: deque[tuple[str, int, Any, dict[str, str]]] = deque()
        self.answers: dict[str, bytes] = {}
        self.files: dict[str, bytes] = {}
        self.file_statuses: deque[int] = deque()
        self.sources: dict[str, Source] = {}
        self.tasks: dict[str, Task] = {}
        self.lock = threading.Lock()

    @property
    def settings(self) -> dict[str, str]:
        """What makes a stack use this simulator, without long pauses."""
        return {
            "SOUNDWRIGHT_LALALAI_URL": self.url,
            "SOUNDWRIGHT_LALALAI_KEY": KEY,
            "SOUNDWRIGHT_LALALAI_POLL_SECONDS": "0.05",
            "SOUNDWRIGHT_LALALAI_RETRY_SECONDS": "0.2",
            "SOUNDWRIGHT_LALALAI_RETRY_LIMIT_SECONDS": "0.4",
        }

    def add_account(self, key: str, minutes: float = 100.0) -> None:
        self.accounts[key] = _Account(minutes)

    def asked(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(seen == path for seen, _ in self.seen)

    def stem(self, task: Task, label: str) -> bytes:
        samples, rate_hz = soundfile.read(io.BytesIO(self.sources[task.source_id].content), always_2d=True)
        share = 1.0 - sum(SHARES.get(stem, 0.0625) for stem in task.stems)
        if label != task.label:
            share = SHARES.get(label, 0.0625)
        buffer = io.BytesIO()
        soundfile.write(buffer, np.asarray(samples) * share, rate_hz, format="FLAC", subtype="PCM_24")
        return buffer.getvalue()


class _Handler(Handler):
    simulator: LalalaiSimulator

    def do_POST(self) -> None:
        simulator, key = self.simulator, self.headers.get("X-License-Key", "")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = self.path.removeprefix("/api/v1")
        with simulator.lock:
            simulator.seen.append((path, key))
            failure = next((failure for failure in simulator.failures if failure[0] == path), None)
            if failure is not None:
                simulator.failures.remove(failure)
                self._json(failure[1], failure[2], **failure[3])
            elif path in simulator.answers:
                self.answer(200, simulator.answers[path], "application/json")
            elif key not in simulator.accounts:
                self._json(403, {"detail": f"License key {key} is not valid"})
            elif path == "/upload/":
                self._upload(key, body)
            else:
                self._act(path, key, json.loads(body or b"{}"))

    def do_GET(self) -> None:
        _, _, task_id, label = self.path.split("/")
        task = self.simulator.tasks.get(task_id)
        if self.simulator.file_statuses:
            self.answer(self.simulator.file_statuses.popleft())
        elif task is None or task.source_id not in self.simulator.sources:
            self.answer(404)
        else:
            content = self.simulator.files.get(label)
            self.answer(200, self.simulator.stem(task, label) if content is None else content, "audio/flac")

    def _upload(self, key: str, body: bytes) -> None:
        name = re.fullmatch(r'attachment; filename="([^"]+)"', self.headers.get("Content-Disposition", ""))
        if name is None:
            self._json(422, {"detail": [{"loc": ["header"], "msg": "No file name", "type": "missing"}]})
            return
        info = soundfile.info(io.BytesIO(body))
        source_id = str(uuid.uuid4())
        self.simulator.sources[source_id] = Source(key, name[1], body, info.duration)
        told = {
            "id": source_id,
            "name": name[1],
            "size": len(body),
            "duration": info.duration,
            "expires": 2_000_000_000,
        }
        self._json(200, told)

    def _act(self, path: str, key: str, asked: dict[str, Any]) -> None:
        simulator = self.simulator
        mine = {task_id: task for task_id, task in simulator.tasks.items() if task.key == key}
        match path:
            case "/split/multistem/" | "/split/stem_separator/":
                self._split(path, key, asked)
            case "/check/":
                self._json(200, {"result": {task_id: self._state(task_id, mine) for task_id in asked["task_ids"]}})
            case "/cancel/":
                self._json(200, {"result": {task_id: self._cancel(mine.get(task_id)) for task_id in asked["task_ids"]}})
            case "/cancel/all/":
                self._json(200, {"result": {task_id: self._cancel(task) for task_id, task in mine.items()}})
            case "/delete/":
                source = simulator.sources.get(asked["source_id"])
                if source is None or source.key != key:
                    self._json(400, {"detail": "The file has already been deleted", "code": "not_found"})
                    return
                del simulator.sources[asked["source_id"]]
                for task in mine.values():
                    if task.source_id == asked["source_id"]:
                        self._cancel(task)
                self._json(200, {})
            case "/limits/minutes_left/":
                self._json(200, {"minutes_left": simulator.accounts[key].minutes})
            case _:
                self._json(404, {"detail": "Not Found"})

    def _split(self, path: str, key: str, asked: dict[str, Any]) -> None:
        simulator, presets = self.simulator, asked["presets"]
        account, source = simulator.accounts[key], simulator.sources.get(asked["source_id"])
        single = path == "/split/stem_separator/"
        stems = [presets["stem"]] if single else presets["stem_list"]
        splitter, once = presets.get("splitter", "auto"), asked.get("idempotency_key")
        unknown = set(stems) - (_SINGLE if single else _MULTISTEM)
        if unknown or splitter not in _SPLITTERS or not _UUID4.fullmatch(once or str(uuid.uuid4())):
            self._json(422, {"detail": [{"loc": ["body", "presets"], "msg": "Input is not valid", "type": "enum"}]})
        elif source is None or source.key != key:
            self._json(400, {"detail": "Please upload the file again", "code": "source_not_found"})
        elif known := account.idempotency.get(once or ""):
            if simulator.tasks[known].checked:
                self._json(400, {"detail": "Idempotency key has already been used.", "code": "idempotency_key_used"})
            else:
                self._json(200, {"task_id": known})
        elif account.minutes < (price := source.seconds / 60 * len(stems)):
            self._json(400, {"detail": "Not enough minutes left.", "code": "exceeded_duration"})
        else:
            account.minutes -= price
            task_id = str(uuid.uuid4())
            label = f"no_{stems[0]}" if single else "no_multistem"
            used = "perseus" if splitter == "auto" else splitter
            percents = deque(simulator.percents)
            simulator.tasks[task_id] = Task(key, asked["source_id"], stems, used, label, percents)
            account.idempotency[once or task_id] = task_id
            self._json(200, {"task_id": task_id})

    def _state(self, task_id: str, mine: dict[str, Task]) -> dict[str, Any]:
        task = mine.get(task_id)
        if task is None:
            return {"status": "server_error", "error": "Permission denied"}
        task.checked = True
        if task.error is not None:
            return {"status": "error", "error": task.error}
        if task.status == "progress":
            if not task.percents and not self.simulator.held:
                task.status = "success"
            elif task.percents:
                task.percent = task.percents.popleft()
        presets = {"splitter": task.splitter, "stem_list": task.stems}
        told = {"status": task.status, "source_id": task.source_id, "presets": presets}
        if task.status == "progress":
            return {**told, "progress": task.percent}
        if task.status != "success":
            return told
        kinds = [*(("stem", label) for label in task.stems), ("back", task.label)]
        tracks = [
            {"type": kind, "label": label, "url": f"{self.simulator.url}/files/{task_id}/{label}", "size": None}
            for kind, label in kinds
        ]
        return {**told, "result": {"tracks": tracks, "duration": 1}}

    def _cancel(self, task: Task | None) -> dict[str, Any]:
        if task is None or task.status != "progress":
            return {"status": "server_error", "error": "Task is not in progress state"}
        task.status = "cancelled"
        return {"status": "success"}

    def _json(self, status: int, value: Any, **headers: str) -> None:
        self.answer(status, json.dumps(value).encode(), "application/json", **headers)
