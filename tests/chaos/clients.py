"""Clients that want jobs of all kinds from a machine that fails all the time. They ask again until they get an answer."""

import dataclasses
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

# Kind of the wish to its share of all jobs. "lalalai" is a separation by lalal.ai, which has a queue of its own. "listening" is
# a separation of a long song that is heard while it runs.
KINDS = {
    "analysis": 5,
    "separation": 4,
    "generation": 3,
    "export": 3,
    "download": 2,
    "pipeline": 2,
    "lalalai": 1,
    "listening": 1,
}
_CANCEL_SHARE = 0.05
_ASK_AGAIN = {429, 503, 504, 507}
_ENDED = {"completed", "failed"}
_CALL_SECONDS = 300.0
_JOB_SECONDS = 900.0
_PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Wish:
    """A job to ask for.

    Attributes:
        song: which of the songs it is about. For a generation, the seed. A listener hears the last one.
        uploads: whether a new upload of the song is used, and not an earlier one.
        cancels: whether it is cancelled at once.
    """

    number: int
    kind: str
    song: int
    uploads: bool
    cancels: bool


@dataclass
class Outcome:
    """An accepted job.

    Attributes:
        last: the job as it was seen last.
        heard: segments that were heard while it ran, by stem and number.
        problems: what was wrong with what was seen of it.
    """

    wish: Wish
    job_id: str
    last: dict[str, Any] = field(default_factory=dict)
    heard: dict[tuple[str, int], bytes] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return self.last.get("status") in _ENDED

    def see(self, job: dict[str, Any]) -> None:
        if self.ended and job != self.last:
            self.problems.append(f"an ended job changed: {self.last} became {job}")
        if job["attempt"] < self.last.get("attempt", 0):
            self.problems.append(f"the number of attempts fell: {job}")
        self.last = job


def wishes(count: int, song_count: int, seed: int) -> list[Wish]:
    """Return ``count`` wishes. The first ones are of each kind, and the seed decides about the others."""
    chance = random.Random(seed)
    kinds = [*KINDS, *chance.choices(list(KINDS), list(KINDS.values()), k=count)][:count]
    return [
        Wish(number, kind, chance.randrange(song_count), chance.random() < 0.5, chance.random() < _CANCEL_SHARE)
        for number, kind in enumerate(kinds)
    ]


class Client:
    """One account that asks for jobs, some at a time, and waits until they end.

    Attributes:
        uploads: the acknowledged uploads, track id to song.
        outcomes: the accepted jobs by id.
        refusals: answers that nobody can explain by a fault.
    """

    def __init__(self, base_url: str, token: str, songs: Sequence[bytes], link: Callable[[Wish], str]) -> None:
        self.uploads: dict[str, int] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.refusals: set[str] = set()
        self._songs = songs
        self._link = link
        self._separated: dict[int, str] = {}
        self._latest: dict[int, str] = {}
        self._http = httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def close(self) -> None:
        self._http.close()

    def prepare(self, song: int) -> None:
        """Separate a song, so that its stems can be exported."""
        outcome = self.ask(Wish(-1, "separation", song, uploads=True, cancels=False))
        self.until_ended([outcome])
        assert outcome.last["status"] == "completed", outcome.last
        # Nobody analyses it: exports of an analysed track have its tempo and key in the names of their files.
        self._separated[song] = self._latest.pop(song)

    def work(self, wanted: Iterable[Wish], at_a_time: int, halt: threading.Event) -> None:
        """Ask for each of ``wanted``, and wait until all have ended. Stop early when ``halt`` is set."""
        open_jobs: list[Outcome] = []
        for wish in wanted:
            while len(open_jobs) >= at_a_time and not halt.is_set():
                open_jobs = [outcome for outcome in open_jobs if not self._look(outcome)]
                halt.wait(_PAUSE_SECONDS)
            if halt.is_set():
                return
            open_jobs.append(self.ask(wish))
        self.until_ended(open_jobs)

    def ask(self, wish: Wish) -> Outcome:
        """Ask for a job until it is accepted."""
        method = getattr(self, f"_ask_for_{wish.kind}")
        job_id = str(uuid.UUID(method(wish, {"Idempotency-Key": str(uuid.uuid4())})))
        outcome = self.outcomes.setdefault(job_id, Outcome(wish, job_id))
        if outcome.wish is not wish:
            outcome.problems.append(f"{wish} and {outcome.wish} got the same job")
        if wish.cancels:
            self._call("DELETE", f"/api/jobs/{job_id}", expected=(204, 409))
        self._look(outcome)
        return outcome

    def until_ended(self, outcomes: Sequence[Outcome]) -> None:
        deadline = time.monotonic() + _JOB_SECONDS
        waiting = list(outcomes)
        while waiting := [outcome for outcome in waiting if not self._look(outcome)]:
            assert time.monotonic() < deadline, f"not ended in {_JOB_SECONDS:g} s: {[job.last for job in waiting]}"
            time.sleep(_PAUSE_SECONDS)

    def use_up(self, wish: Wish) -> Outcome:
        """Ask for a job, wait for its end, and delete the track that was made for it."""
        outcome = self.ask(wish)
        self.until_ended([outcome])
        if wish.kind not in ("generation", "export"):
            self._call("DELETE", f"/api/tracks/{outcome.last['track_id']}", expected=(200, 204, 404))
        del self.outcomes[outcome.job_id]
        return outcome

    def look_again(self) -> None:
        """See all jobs once more, also those that ended long ago, and compare what was heard with the stems."""
        for outcome in self.outcomes.values():
            self._look(outcome)
            if outcome.last["status"] == "completed":
                for (stem_id, number), heard in outcome.heard.items():
                    if self._answer("GET", f"/api/stems/{stem_id}/segments/{number}").content != heard:
                        outcome.problems.append(f"segment {number} of stem {stem_id} sounded differently")

    def _look(self, outcome: Outcome) -> bool:
        outcome.see(self._call("GET", f"/api/jobs/{outcome.job_id}")["data"])
        if outcome.wish.kind == "listening" and not outcome.ended:
            self._listen(outcome)
        return outcome.ended

    def _listen(self, outcome: Outcome) -> None:
        """Get the segments that are there and were not heard yet."""
        live = f"/api/jobs/{outcome.job_id}/live"
        state = self._call("GET", live)["data"]
        for stem in state["stems"] if state["state"] == "live" else []:
            for number in range(state["ready_segment_count"]):
                if (stem["id"], number) not in outcome.heard:
                    # 404: the attempt or the job has just ended.
                    path = f"{live}/{stem['stem_type']}/segments/{number}"
                    answer = self._answer("GET", path, expected=(200, 404))
                    if answer.status_code == 200:
                        outcome.heard[stem["id"], number] = answer.content

    def _track(self, wish: Wish) -> str:
        # The stems of a new separation replace those of an earlier one.
        if wish.uploads or wish.kind in ("separation", "lalalai", "listening") or wish.song not in self._latest:
            files = {"file": (f"song {wish.song}.wav", self._songs[wish.song])}
            track_id = str(self._call("POST", "/api/tracks", files=files, expected=(201,))["data"]["id"])
            self._latest[wish.song] = track_id
            self.uploads[track_id] = wish.song
            return track_id
        return self._latest[wish.song]

    def _ask_for_separation(self, wish: Wish, headers: dict[str, str], **more: str) -> str:
        body = {"track_id": self._track(wish), **(more or {"model": "dsp"})}
        return str(self._call("POST", "/api/processing/separate", json=body, headers=headers)["data"]["job_id"])

    def _ask_for_lalalai(self, wish: Wish, headers: dict[str, str]) -> str:
        return self._ask_for_separation(wish, headers, engine="lalalai")

    def _ask_for_listening(self, wish: Wish, headers: dict[str, str]) -> str:
        return self._ask_for_separation(dataclasses.replace(wish, song=len(self._songs) - 1), headers)

    def _ask_for_analysis(self, wish: Wish, headers: dict[str, str]) -> str:
        body = {"track_id": self._track(wish), "features": ["all"]}
        return str(self._call("POST", "/api/analysis/analyze", json=body, headers=headers)["data"]["job_id"])

    def _ask_for_export(self, wish: Wish, headers: dict[str, str]) -> str:
        track_id = self._separated[wish.song % len(self._separated)]
        body = {"track_id": track_id, "format": "wav16"}
        return str(self._call("POST", "/api/export/stems", json=body, headers=headers)["data"]["job_id"])

    def _ask_for_download(self, wish: Wish, headers: dict[str, str]) -> str:
        body = {"url": self._link(wish), "quality": "lossless"}
        return str(self._call("POST", "/api/download/track", json=body, headers=headers)["data"]["job_id"])

    def _ask_for_pipeline(self, wish: Wish, headers: dict[str, str]) -> str:
        files = {"file": ("song.wav", self._songs[wish.song])}
        return str(self._call("POST", "/process", files=files, headers=headers)["job_id"])

    def _ask_for_generation(self, wish: Wish, headers: dict[str, str]) -> str:
        body = {"prompt": "calm piano", "duration": 1, "seed": wish.song, "model": "music"}
        return str(self._call("POST", "/generate", json=body, headers=headers)["job_id"])

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self._answer(method, path, **arguments)
        return answer.json() if answer.content else None

    def _answer(
        self, method: str, path: str, expected: tuple[int, ...] = (200, 201), **arguments: Any
    ) -> httpx.Response:
        """Ask again while the gateway does not answer, or says that something is away, busy or full."""
        deadline = time.monotonic() + _CALL_SECONDS
        while True:
            try:
                answer = self._http.request(method, path, **arguments)
                if answer.status_code in expected:
                    return answer
                told = f"{method} {path}: {answer.status_code} {answer.text[:300]}"
                if answer.status_code not in _ASK_AGAIN:
                    self.refusals.add(told)
            except httpx.TransportError as error:
                told = f"{method} {path}: {error!r}"
            assert time.monotonic() < deadline, f"no answer in {_CALL_SECONDS:g} s: {told}"
            time.sleep(_PAUSE_SECONDS)
