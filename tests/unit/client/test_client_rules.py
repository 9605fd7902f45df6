"""The rules of the Python client: what it sends again, filenames and webhook signatures."""

import base64
import datetime
import json
import os
import signal
import subprocess
import sys
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import standardwebhooks
from typer.testing import CliRunner

from soundwright_client import (
    ApiError,
    Client,
    ConnectionFailed,
    SignatureInvalid,
    SoundwrightError,
    transfer,
    verify_webhook,
)
from soundwright_client.cli import batch, connection
from soundwright_client.cli.commands import app

ROOT = Path(__file__).parents[3]
SECRET = f"whsec_{base64.b64encode(b'0123456789abcdef0123456789abcdef').decode()}"
ENDED_BY_SIGNALS = """
import signal, sys
from soundwright_client.local import end_by_signals
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a shell's job in the background
end_by_signals()
try:
    print("ready", flush=True)
    signal.pause()
finally:
    print("stopped", flush=True)
"""
JOB = {"id": "1", "job_type": "processing", "status": "queued"}
BUSY = httpx.Response(503, json={"error": "x", "code": "STOPPING", "message": "The server is restarting."})


class Scripted(httpx.BaseTransport):
    """Answers with what a test prepared. An exception is raised."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers, self.requests = list(answers), list[httpx.Request]()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_pauses() -> Iterator[float | None]:
        yield from (0, 0, None)

    monkeypatch.setattr("soundwright_client._sync_client.attempts", without_pauses)


def test_a_new_job_is_requested_again_with_the_same_key() -> None:
    started = httpx.Response(201, json={"data": {"job_id": "1"}})
    script = Scripted(httpx.ReadError("broken"), BUSY, started, httpx.Response(200, json={"data": JOB}))
    track = "0f8fad5b-d9cb-469f-a165-70867728950e"
    assert Client(transport=script).separate(track).id == "1"
    keys = [request.headers.get("Idempotency-Key") for request in script.requests]
    assert len(keys[0]) == 32
    assert keys == [keys[0]] * 3 + [None]


def test_an_upload_is_sent_again_from_its_beginning(tmp_path: Path) -> None:
    (tmp_path / "song.wav").write_bytes(b"RIFF" * 50_000)
    script = Scripted(httpx.ReadError("broken"), httpx.Response(201, json={"data": {"id": "1", "title": "song"}}))
    assert Client(transport=script).upload(tmp_path / "song.wav").title == "song"
    assert [request.content.count(b"RIFF") for request in script.requests] == [50_000] * 2


def test_requests_that_could_happen_twice_and_final_errors_are_sent_once() -> None:
    script = Scripted(httpx.ReadError("broken"))
    with pytest.raises(ConnectionFailed, match="does not answer"):
        Client(transport=script).request("POST", "/api/jobs/1/retry")
    final = httpx.Response(503, json={"error": "x", "code": "MODEL_UNAVAILABLE", "message": "Run make models."})
    late = httpx.Response(429, json={"error": "x", "code": "RATE_LIMITED", "retry_after": 3000})
    by_proxy = httpx.Response(413, text="<html>Request Entity Too Large</html>")
    script = Scripted(final, late, by_proxy, *[BUSY] * 3)
    for code, left in (("MODEL_UNAVAILABLE", 5), ("RATE_LIMITED", 4), ("HTTP_413", 3), ("STOPPING", 0)):
        with pytest.raises(ApiError) as refusal:
            Client(transport=script).job("1")
        assert (refusal.value.code, len(script.answers)) == (code, left)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="song - vocals.flac"', "song - vocals.flac"),
        ("attachment; filename*=UTF-8''%C3%A9t%C3%A9.wav", "été.wav"),
        ('attachment; filename="../../.bashrc"', "_.._.bashrc"),
        ('attachment; filename="C:\\\\x\\\\a.wav"', "C__x_a.wav"),
        ("", "7.wav"),
    ],
)
def test_a_download_stays_in_its_folder(header: str, name: str, tmp_path: Path) -> None:
    script = Scripted(httpx.Response(200, content=b"RIFF", headers={"Content-Disposition": header} if header else {}))
    assert Client(transport=script).save("/download/7.wav", tmp_path) == tmp_path / name
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_download_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"RIFF"
        raise httpx.ReadError("broken")

    script = Scripted(*(httpx.Response(200, content=broken()) for _ in range(3)))
    with pytest.raises(ConnectionFailed):
        Client(transport=script).save("/download/7.wav", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_webhook_messages_are_verified() -> None:
    body, now = b'{"type": "ping"}', datetime.datetime.now(tz=datetime.UTC)

    def headers(moment: datetime.datetime) -> dict[str, str]:
        signature = standardwebhooks.Webhook(SECRET).sign("msg_1", moment, body.decode())
        stamp = str(int(moment.timestamp()))
        return {"Webhook-Id": "msg_1", "Webhook-Timestamp": stamp, "Webhook-Signature": f"v1,eA== {signature}"}

    assert verify_webhook(SECRET, headers(now), body) == {"type": "ping"}
    old = headers(now - datetime.timedelta(minutes=6))
    for wrong in (
        (SECRET, headers(now), body + b" "),
        (SECRET, old, body),
        (SECRET, {}, body),
        ("x", headers(now), body),
    ):
        with pytest.raises(SignatureInvalid):
            verify_webhook(*wrong)


def test_files_of_the_same_name_and_patterns_of_filenames() -> None:
    files = [Path("a/song.wav"), Path("b/song.mp3"), Path("c.wav")]
    assert list(batch.track_names(files).values()) == ["song", "song (2)", "c"]
    assert batch.filename_problem("{model}/{track} {stem}.{ext}") == ""
    for wrong in ("{track}.wav", "{stem", "../{stem}.wav", "/{stem}.wav", "{stem}{0}", "{stem:x}", "{stem!r}"):
        assert batch.filename_problem(wrong)


def test_a_folder_has_its_audio_files_alone(tmp_path: Path) -> None:
    for name in ("b.wav", "a.FLAC", "._a.flac", "c.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.wav").mkdir()
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "lost.wav").symlink_to("nowhere")
    assert batch.audio_files([tmp_path]) == [tmp_path / "a.FLAC", tmp_path / "b.wav"]


def test_what_http_cannot_express_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    script = Scripted(httpx.Response(201, json={"data": {"id": "1", "title": "song"}}))
    with pytest.raises(SoundwrightError, match="cannot be sent"):
        list(Client(transport=script).tracks("\udcff"))
    with pytest.raises(SoundwrightError, match="cannot be sent"):
        Client(transport=script).generate("rain", duration=float("inf"))
    with pytest.raises(SoundwrightError, match="API token"):
        Client(token="clé", transport=script)
    song = tmp_path / os.fsdecode(b"\xff.wav")  # a name of bytes that are no text
    song.write_bytes(b"RIFF")
    assert Client(transport=script).upload(song).title == "song"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--shifts", "2"), "Use --quality best"),
        (("--mdx_segment_size=256",), "Use --quality best"),
        (("-d", "cpu"), "The server computes"),
        (("--filename", "{track}.{ext}"), "needs {stem}"),
        (("--format", "ogg"), "Use one of: flac"),
        (("none.wav",), "none.wav does not exist"),
    ],
)
def test_wrong_options_and_those_of_other_programs_say_what_to_do(arguments: tuple[str, ...], sentence: str) -> None:
    done = CliRunner().invoke(app, ["separate", __file__, *arguments], env={"COLUMNS": "200"})
    assert (done.exit_code, sentence in done.output) == (2, True), done.output


def test_watch_does_not_separate_its_own_stems(tmp_path: Path) -> None:
    flat = ["watch", str(tmp_path), "-o", str(tmp_path), "--filename", "{track}-{stem}.{ext}"]
    assert "would be separated again" in CliRunner().invoke(app, flat).output
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere")
    (tmp_path / "here.wav").write_bytes(b"RIFF")
    assert [(file.name, size) for file, (size, _) in batch.sizes_and_times(tmp_path).items()] == [("here.wav", 4)]


def test_serve_runs_the_platform_as_make_run_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "environ", {"SOUNDWRIGHT_DATA_DIR": str(tmp_path / "data"), "SOUNDWRIGHT_SERVER": "x"})
    commands: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda path, arguments: commands.append(arguments[1:]))
    assert CliRunner().invoke(app, ["serve"]).exit_code == 0
    assert commands == [["-P", "-m", "soundwright.services", "all"]]
    assert (os.environ["SOUNDWRIGHT_OPEN_ACCESS"], os.environ["SOUNDWRIGHT_GATEWAY_PORT"]) == ("true", "4000")
    assert "SOUNDWRIGHT_SERVER" not in os.environ
    monkeypatch.setattr(connection, "is_installed", lambda: False)
    assert CliRunner().invoke(app, ["serve"]).exit_code == 3


def test_a_token_is_kept_in_the_keyring_if_there_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept: dict[tuple[str, ...], str] = {}
    keyring = types.SimpleNamespace(
        set_password=lambda *place: kept.update({place[:2]: place[2]}),
        get_password=lambda *place: kept.get(place),
        delete_password=lambda *place: kept.pop(place),
    )
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = tmp_path / "soundwright" / "config.json"
    assert connection.remember("http://a", "token") == "the keyring"
    assert (kept, "token" in json.loads(file.read_text())["tokens"].values()) == (
        {("soundwright", "http://a"): "token"},
        False,
    )
    assert connection.forget_token("http://a")
    keyring.set_password = lambda *place: None  # a backend that keeps nothing
    assert connection.remember("http://a", "token") == str(file)
    assert json.loads(file.read_text())["tokens"] == {"http://a": "token"}


def test_pauses_grow_and_the_platform_requires_the_client_of_its_version() -> None:
    pauses = transfer.polling_pauses()
    assert [next(pauses) for _ in range(20)][-1] == 3.0
    projects = [tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"] for folder in (".", "client")]
    versions = [project["version"] for project in projects]
    assert versions[0] == versions[1]
    assert f"soundwright-client=={versions[0]}" in projects[0]["dependencies"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_a_program_in_order(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ENDED_BY_SIGNALS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        program.send_signal(number)
        assert program.stdout.read() == "stopped\n"
