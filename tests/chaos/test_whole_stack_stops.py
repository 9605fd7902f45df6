"""The whole stack goes down, hard or in order, and comes up again over the same data directory."""

import signal
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from processes import components, gone, kill_all
from work import FRAME_COUNT, SETTINGS, Work

from soundwright_client.local import running


@pytest.mark.campaign
def test_every_accepted_job_survives_an_interrupt_and_a_power_cut(tmp_path: Path, song: Path) -> None:
    with running(tmp_path, SETTINGS) as stack, closing(Work(stack)) as work:
        track_id = work.upload(song)
        running_id, queued_id = work.separate(track_id), work.separate(track_id)
        work.until_in_mid_job(running_id)
        assert sorted(components(stack)) == [
            "analysis", "broker", "gateway", "generation", "ingest", "library", "separation"
        ]  # fmt: skip
        supervisor = psutil.Process(stack.process_id)
        below = supervisor.children(recursive=True)
        supervisor.send_signal(signal.SIGINT)
        assert supervisor.wait(60) == 0
        gone(below)
    with running(tmp_path, SETTINGS) as stack, closing(Work(stack, work)) as work:
        job = work.until_ended(running_id)
        # Finished in the moment that it was given, or handed back: an interrupted attempt does not count.
        assert (job["attempt"], job["max_attempts"]) in ((1, 3), (2, 4))
        work.assert_completed_once(running_id, frame_count=FRAME_COUNT)
        work.until_in_mid_job(queued_id)
        kill_all(stack.process_id)
    with running(tmp_path, SETTINGS) as stack, closing(Work(stack, work)) as work:
        work.assert_completed_once(queued_id, attempt=2, frame_count=FRAME_COUNT)
        work.assert_promises()
