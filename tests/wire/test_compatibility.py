"""`make check` refuses changes of the contracts that break clients of the last release."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import stubs

PROTO = stubs.ROOT / "proto"
BUF = Path(sys.executable).parent / "buf"
JOB = "soundwright/library/v1/job.proto"
LIBRARY = "soundwright/library/v1/library_service.proto"


def changed(folder: Path, file: str, pattern: str, replacement: str) -> Path:
    """Return a copy of the contracts with one change."""
    copy = folder / "proto"
    shutil.copytree(PROTO, copy)
    text = (copy / file).read_text()
    new, count = re.subn(pattern, replacement, text, count=1)
    assert count == 1
    (copy / file).write_text(new)
    return copy


def breaking(proto: Path) -> subprocess.CompletedProcess[str]:
    command = [str(BUF), "breaking", str(proto), "--against", str(PROTO / "baseline.binpb")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_contracts_extend_the_baseline_and_keep_the_rules_of_buf() -> None:
    done = breaking(PROTO)
    assert (done.returncode, done.stdout) == (0, "")
    lint = subprocess.run([str(BUF), "lint", str(PROTO)], capture_output=True, text=True, timeout=60, check=False)
    assert (lint.returncode, lint.stdout) == (0, "")


@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "message"),
    [
        (JOB, r"  string track_id = 4;.*\n", "", 'Previously present field "4" with name "track_id"'),
        (JOB, r"int32 attempt = 8;", "int32 attempt = 88;", 'Previously present field "8" with name "attempt"'),
        (
            JOB,
            r"int32 attempt = 8;",
            "string attempt = 8;",
            'Field "8" with name "attempt" on message "Job" changed type',
        ),
        (JOB, r"int32 attempt = 8;", "int32 tries = 8;", 'changed name from "attempt" to "tries"'),
        (JOB, r"JOB_STATE_FAILED = 4;", "JOB_STATE_FAILED = 6;", 'Previously present enum value "4"'),
        (LIBRARY, r"returns \(stream WatchJobResponse\)", "returns (WatchJobResponse)", "streaming"),
        (LIBRARY, r"rpc GetStem\(", "rpc FindStem(", 'Previously present RPC "GetStem"'),
    ],
    ids=["removed-field", "changed-number", "changed-type", "renamed-field", "enum-number", "streaming", "renamed-rpc"],
)
def test_a_breaking_change_is_refused(tmp_path: Path, file: str, pattern: str, replacement: str, message: str) -> None:
    done = breaking(changed(tmp_path, file, pattern, replacement))
    assert done.returncode != 0
    assert message in done.stdout


def test_an_added_field_is_accepted(tmp_path: Path) -> None:
    added = r"\g<0>\n  string note = 1000;"
    assert breaking(changed(tmp_path, JOB, r"int32 attempt = 8;", added)).returncode == 0
