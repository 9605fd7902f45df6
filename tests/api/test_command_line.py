"""The command line, through its console script, as docs/CLI.md describes it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile
from stories import RATE_HZ, encoded, finished, song

from soundwright_client.local import free_ports
from tests.simulators.media_site import MediaSite
from tests.stacks import COLD, Stack
from tests.waiting import eventually

SCRIPT = Path(sys.executable).with_name("soundwright")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(stack: Stack, tmp_path: Path) -> dict[str, str]:
    """Somebody's shell, whose configuration and data are empty."""
    folders = {f"XDG_{name}_HOME": str(tmp_path / name) for name in ("CONFIG", "DATA")}
    own = {"SOUNDWRIGHT_SERVER": stack.base_url, "SOUNDWRIGHT_TOKEN": stack.token}
    return {**os.environ, **folders, **own, "COLUMNS": "200", "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    def command(*arguments: str, code: int = 0, given: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [SCRIPT, *arguments], cwd=tmp_path, env=environment | variables, input=given, capture_output=True, text=True
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return command


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def jobs_of(admin: httpx.Client, title: str) -> list[dict[str, Any]]:
    return [job for job in admin.get("/api/jobs?page_size=100").json()["data"] if job["title"] == title]


def test_a_batch_is_separated_once(run: Run, tmp_path: Path) -> None:
    for number, folder in enumerate(("in", "in/other")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "take.wav").write_bytes(encoded(song(1.0, seed=50 + number)))
    (tmp_path / "in" / "broken.wav").write_text("no audio")
    command = ("separate", "in", "in/other", "-n", "dsp", "--two-stems", "vocals", "--int24", "-o", "stems", "--json")
    first = {line["file"]: line for line in lines(run(*command, code=1))}
    assert first["in/broken.wav"]["code"] == "AUDIO_UNREADABLE"
    assert first["in/take.wav"]["stems"] == ["stems/take/vocals.wav", "stems/take/accompaniment.wav"]
    assert first["in/other/take.wav"]["stems"] == ["stems/take (2)/vocals.wav", "stems/take (2)/accompaniment.wav"]
    assert soundfile.info(tmp_path / "stems/take/vocals.wav").subtype == "PCM_24"
    again = {line["file"]: line for line in lines(run(*command, code=1))}
    assert {file: line.get("skipped") for file, line in again.items()} == {
        "in/take.wav": True,
        "in/other/take.wav": True,
        "in/broken.wav": None,
    }
    mp3 = run("separate", "in/take.wav", "-m", "dsp", "--mp3", "--filename", "{model}-{track}-{stem}.{ext}", "-o", ".")
    assert "\n  dsp-take-drums.mp3\n" in mp3.stdout
    assert soundfile.info(tmp_path / "dsp-take-drums.mp3").format == "MP3"


def test_ctrl_c_cancels_at_the_server_and_the_same_command_does_the_rest(
    admin: httpx.Client, run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    for name, seconds in (("quick", 1.0), ("slow one", 40.0), ("slow two", 40.0)):
        (tmp_path / f"{name}.wav").write_bytes(encoded(song(seconds, seed=60)))
    run("separate", "quick.wav", "-m", "dsp")
    batch = ("separate", "quick.wav", "slow one.wav", "slow two.wav", "-m", "dsp", "--json")

    def unfinished() -> list[dict[str, Any]]:
        slow = [job for name in ("slow one", "slow two") for job in jobs_of(admin, name)]
        return [job for job in slow if job["status"] != "completed"]

    with subprocess.Popen(
        [SCRIPT, *batch], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        cancelled = eventually(unfinished, "a slow job")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, "Unfinished jobs are cancelled." in said) == (130, True)
    for job in cancelled:
        assert finished(admin, f"/api/jobs/{job['id']}")["error"] == "cancelled"
    done = {line["file"]: line["skipped"] for line in lines(run(*batch))}
    assert (done["quick.wav"], sorted(done)) == (True, ["quick.wav", "slow one.wav", "slow two.wav"])
    assert [job["status"] for job in jobs_of(admin, "quick")] == ["completed"]
    assert {soundfile.info(path).duration for path in tmp_path.glob("separated/slow*/*.flac")} == {40.0}


def test_new_files_of_a_folder_are_separated(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.wav").write_bytes(encoded(song(1.0, seed=70)))
    command = [SCRIPT, "watch", "in", "-o", "stems", "-m", "dsp", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["file"] == "in/one.wav"
        (tmp_path / "in" / "two.wav").write_bytes(encoded(song(1.0, seed=71)))
        assert json.loads(process.stdout.readline())["file"] == "in/two.wav"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130


def test_songs_are_analysed_and_clips_generated_and_both_are_found(run: Run, tmp_path: Path, site: MediaSite) -> None:
    (tmp_path / "zither.wav").write_bytes(encoded(song(2.0, seed=80)))
    [analysis] = lines(run("analyze", "zither.wav", "--features", "tempo,key", "-o", "values", "--json"))
    assert json.loads((tmp_path / "values" / "zither.json").read_text())["analysis"]["key"] == analysis["key"]
    [clip] = lines(run("generate", "zither and rain", "-d", "1", "--json"))
    assert [soundfile.info(tmp_path / file).duration for file in clip["files"]] == [1.0]
    found = json.loads(run("library", "search", "zither", "--json").stdout)
    assert {each["kind"]: each["id"] for each in found} == {"track": analysis["track_id"], "clip": clip["clip_id"]}
    assert clip["job_id"] in run("jobs", "--limit", "3").stdout
    assert run("jobs", "--cancel", clip["job_id"]).stdout == f"Cancelled {clip['job_id']}.\n"
    assert "dsp" in [each["name"] for each in json.loads(run("models", "--json").stdout) if each["available"]]
    [track] = lines(
        run("download", site.file("/zither.wav", encoded(song(1.0)), "audio/wav"), "-o", "downloads", "--json")
    )
    assert soundfile.info(tmp_path / track["files"][0]).samplerate == RATE_HZ


def test_a_login_is_kept_in_a_file_that_only_its_user_reads(run: Run, stack: Stack, tmp_path: Path) -> None:
    nobody = {"SOUNDWRIGHT_TOKEN": "", "SOUNDWRIGHT_SERVER": ""}
    assert "does not know your token" in run("models", code=1, SOUNDWRIGHT_TOKEN="wrong").stderr
    assert run("login", "--server", stack.base_url, given="wrong\n", code=1, **nobody)
    assert "Logged in" in run("login", "--server", stack.base_url, given=f"{stack.token}\n", **nobody).stdout
    file = tmp_path / "CONFIG" / "soundwright" / "config.json"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    state = json.loads(run("status", "--json", **nobody).stdout)
    assert (state["server"], state["logged_in"], state["embedded"]) == (stack.base_url, True, False)
    run("logout", **nobody)
    assert stack.token not in file.read_text()


def test_without_a_server_one_runs_for_the_command(run: Run, stack: Stack) -> None:
    [port, nobody] = map(str, free_ports(2))
    own = {
        "SOUNDWRIGHT_SERVER": "",
        "SOUNDWRIGHT_TOKEN": "",
        "SOUNDWRIGHT_GATEWAY_PORT": port,
        "PYTHONPATH": "",
        **COLD,
    }
    alone = json.loads(run("status", "--json", **own).stdout)
    assert (alone["embedded"], alone["logged_in"], alone["used_bytes"]) == (True, True, 0)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{alone['server']}/health")
    damaging = run("status", code=3, **own | {"SOUNDWRIGHT_DATA_DIR": str(stack.data_dirs[0])})
    assert "Name its address with --server" in damaging.stderr
    assert "does not answer" in run("status", "--server", f"127.0.0.1:{nobody}", code=3).stderr
