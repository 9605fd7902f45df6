"""Jobs behave like a model of them: two accounts start, repeat, cancel and read jobs while workers run them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import pytest
from exploring import LENGTHS, MOSTLY, Length, Member, explore, members
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule
from published import Document
from stories import encoded, finished, song, upload

from tests.stacks import Stack

CALLERS = st.sampled_from([0, 1])
STEPS = {"queued": 0, "processing": 1, "completed": 2, "failed": 2}
ROUTES: dict[str, tuple[str, dict[str, Any]]] = {
    "analysis": ("/api/analysis/analyze", {"features": ["energy"]}),
    "another analysis": ("/api/analysis/analyze", {"features": ["tempo"]}),
    "separation": ("/api/processing/separate", {"model": "dsp"}),
    "export": ("/api/export/stems", {"format": "wav16"}),
}
TYPES = {"analysis": "analysis", "another analysis": "analysis", "separation": "processing", "export": "export"}


@dataclass
class Expected:
    """A job as the model knows it.

    Attributes:
        seen: what the latest answer said.
        cancelled: whether a cancellation was accepted.
        orphaned: whether its track was deleted.
    """

    owner: int
    kind: str
    track: str
    seen: dict[str, Any]
    cancelled: bool = False
    orphaned: bool = False

    @property
    def ended(self) -> bool:
        return STEPS[self.seen["status"]] == 2


class JobMachine(RuleBasedStateMachine):
    """Two new accounts with two tracks each, whose jobs real workers run in the meantime."""

    jobs = Bundle("jobs")

    def __init__(self, stack: Stack, document: Document) -> None:
        super().__init__()
        self.opened = contextlib.ExitStack()
        self.callers: list[Member] = self.opened.enter_context(members(stack, document, 2))
        content = encoded(song(0.5))
        self.tracks = [[upload(caller, content)["id"] for _ in range(2)] for caller in self.callers]
        self.deleted: set[str] = set()
        self.model: dict[str, Expected] = {}
        self.keys: dict[tuple[int, str], tuple[str, str, str]] = {}

    def teardown(self) -> None:
        """No job hangs, and those that were cancelled did not end in another way."""
        for job_id, known in self.model.items():
            self.note(job_id, finished(self.callers[known.owner], f"/api/jobs/{job_id}"))
        self.opened.close()

    @rule(target=jobs, caller=CALLERS, own=MOSTLY, kind=st.sampled_from(list(ROUTES)), track=st.integers(0, 1),
          key=st.sampled_from(["", "a", "a", "b"]))  # fmt: skip
    def create(self, caller: int, own: bool, kind: str, track: int, key: str) -> Any:
        path, body = ROUTES[kind]
        track_id = self.tracks[caller if own else 1 - caller][track]
        headers = {"Idempotency-Key": key} if key else {}
        answer = self.callers[caller].post(path, json={"track_id": track_id, **body}, headers=headers)
        if not own or track_id in self.deleted:
            assert answer.status_code == 404, answer.text
            return multiple()
        if kind == "export" and answer.status_code == 404:
            assert answer.json()["code"] == "NO_STEMS"
            assert not self.has_stems(track_id)
            return multiple()
        repeated = self.keys.get((caller, key)) if key else None
        if repeated is not None and repeated[:2] != (kind, track_id):
            assert (answer.status_code, answer.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
            return multiple()
        job_id = str(answer.json()["data"]["job_id"])
        assert answer.status_code == (200 if repeated else 201), answer.text
        if repeated is not None:
            assert job_id == repeated[2]
            return multiple()
        assert job_id not in self.model
        if key:
            self.keys[caller, key] = (kind, track_id, job_id)
        self.model[job_id] = Expected(caller, kind, track_id, {"status": "queued", "progress": 0})
        return job_id

    def has_stems(self, track_id: str) -> bool:
        separations = [known for known in self.model.values() if (known.kind, known.track) == ("separation", track_id)]
        return any(known.seen["status"] == "completed" for known in separations)

    @rule(job_id=jobs, own=MOSTLY)
    def cancel(self, job_id: str, own: bool) -> None:
        known = self.model[job_id]
        answer = self.callers[known.owner if own else 1 - known.owner].delete(f"/api/jobs/{job_id}")
        if not own:
            assert answer.status_code == 403
            return
        if known.ended:
            is_cancelled = known.seen["error"] == "cancelled"
            assert answer.status_code == (204 if is_cancelled else 409)
        assert answer.status_code in (204, 409)
        if answer.status_code == 204:
            known.cancelled = True
        else:
            assert answer.json()["code"] == "JOB_FINISHED"
            self.read(job_id, own=True)
            assert known.ended

    @rule(job_id=jobs, own=MOSTLY)
    def read(self, job_id: str, own: bool) -> None:
        owner = self.model[job_id].owner
        answer = self.callers[owner if own else 1 - owner].get(f"/api/jobs/{job_id}")
        if not own:
            assert (answer.status_code, answer.json()["code"]) == (403, "ACCESS_DENIED")
        else:
            self.note(job_id, answer.json()["data"])

    @rule(job_id=jobs)
    def wait(self, job_id: str) -> None:
        self.note(job_id, finished(self.callers[self.model[job_id].owner], f"/api/jobs/{job_id}"))

    @rule(caller=CALLERS, own=MOSTLY, track=st.integers(0, 1))
    def delete_track(self, caller: int, own: bool, track: int) -> None:
        track_id = self.tracks[caller if own else 1 - caller][track]
        answer = self.callers[caller].delete(f"/api/tracks/{track_id}")
        if not own or track_id in self.deleted:
            assert answer.status_code == 404
            return
        assert answer.status_code == 204
        self.deleted.add(track_id)
        for known in self.model.values():
            known.orphaned |= known.track == track_id

    def note(self, job_id: str, job: dict[str, Any]) -> None:
        """Compare an answer with the model and with the answers before."""
        known = self.model[job_id]
        before = known.seen
        assert (job["id"], job["track_id"], job["job_type"]) == (job_id, known.track, TYPES[known.kind])
        assert STEPS[job["status"]] >= STEPS[before["status"]], (before, job)
        if known.ended:
            assert (job["status"], job["error"]) == (before["status"], before.get("error", job["error"])), (before, job)
        elif (job["status"], job["attempt"]) == (before["status"], before.get("attempt", 0)):
            assert job["progress"] >= before["progress"], (before, job)
        if job["status"] == "failed":
            assert (job["error"], known.cancelled or known.orphaned) == ("cancelled", True), job
        known.seen = job

    @invariant()
    def lists_are_as_expected(self) -> None:
        for number, caller in enumerate(self.callers):
            listed = caller.get("/api/jobs", params={"page_size": 100}).json()["data"]
            own = [job_id for job_id, known in self.model.items() if known.owner == number]
            assert [job["id"] for job in listed] == own[::-1]
            for job in listed:
                self.note(job["id"], job)


@pytest.mark.usefixtures("nothing_crashes")
@pytest.mark.parametrize("length", LENGTHS)
def test_jobs_behave_like_their_model(stack: Stack, document: Document, length: Length) -> None:
    explore(lambda: JobMachine(stack, document), length)
