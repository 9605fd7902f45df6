"""The recipes in docs/recipes, with short songs and the quickest model."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import types
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import lupa
import pytest
import soundfile
import yaml
from stories import encoded, song, upload

from tests.servers import executable
from tests.simulators.media_site import MediaSite
from tests.simulators.webhook_receiver import WebhookReceiver
from tests.stacks import Stack
from tests.waiting import eventually

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"
STEMS = ["bass", "drums", "other", "vocals"]

Run = Callable[..., str]


@pytest.fixture
def environment(stack: Stack, tmp_path: Path) -> dict[str, str]:
    """The shell of somebody who has installed the command and named the server."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    folders = {name: str(tmp_path / name) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    own = {"SOUNDWRIGHT_SERVER": stack.base_url, "SOUNDWRIGHT_TOKEN": stack.token}
    return {**os.environ, **folders, **own, "PATH": programs}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    def command(*arguments: str | Path, code: int = 0) -> str:
        done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return command


def copy_of(name: str, folder: Path) -> Path:
    text, count = re.subn(r"\bauto\b", "dsp", (RECIPES / name).read_text())
    assert count >= 1, name
    target = folder / name
    target.write_text(text)
    target.chmod((RECIPES / name).stat().st_mode)
    return target


def section(title: str) -> str:
    """Return the commands of a section of the README, with the quickest model."""
    text = (RECIPES / "README.md").read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    return "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).replace(" auto ", " dsp ")


def songs(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        (folder / f"song {number}.wav").write_bytes(encoded(song(0.5, seed=number)))


def test_a_folder_of_songs(run: Run, tmp_path: Path) -> None:
    songs(tmp_path / "songs", 5)
    run("bash", "-euc", section("A folder of songs"))
    names = sorted(path.name for path in (tmp_path / "stems").glob("*.mp3"))
    assert names == sorted(f"song {n} ({stem}).mp3" for n in range(5) for stem in ("vocals", "accompaniment"))


def test_the_inbox_of_a_cron_job(run: Run, environment: dict[str, str], stack: Stack, tmp_path: Path) -> None:
    executable("curl", "install curl")
    songs(tmp_path / "inbox", 1)
    odd = tmp_path / "inbox" / 'a "b";$(c).wav'
    odd.write_bytes(encoded(song(0.5)))
    (tmp_path / "inbox" / "broken.mp3").write_text("no audio")
    header = Path(environment["HOME"], ".config", "soundwright", "header")
    header.parent.mkdir(parents=True)
    header.write_text(f"Authorization: Bearer {stack.token}\n")
    script = copy_of("inbox.sh", tmp_path)
    said = run("sh", script, tmp_path / "inbox", code=1)
    assert "broken.mp3: " in said
    assert "AUDIO_UNREADABLE" in said
    with zipfile.ZipFile(f"{odd}.zip") as archive:
        assert sorted(name.rpartition(" - ")[2] for name in archive.namelist()) == [f"{name}.flac" for name in STEMS]
    assert Path(tmp_path, "inbox", "song 0.wav.zip").exists()
    written = Path(f"{odd}.zip").stat()
    run("sh", script, tmp_path / "inbox", code=1)
    assert Path(f"{odd}.zip").stat() == written


def test_the_requests_of_n8n(admin: httpx.Client, receiver: WebhookReceiver) -> None:
    nodes = {node["name"]: node for node in json.loads((RECIPES / "n8n.json").read_text())["nodes"]}
    connections = json.loads((RECIPES / "n8n.json").read_text())["connections"]
    order = ["Job ended"]
    while follower := connections.get(order[-1]):
        order.append(follower["main"][0][0]["node"])
    assert order == list(nodes)
    path = nodes["Job ended"]["parameters"]["path"]
    hook = admin.post("/api/webhooks", json={"url": f"{receiver.url}/{path}", "events": ["job.completed"]}).json()[
        "data"
    ]
    try:
        track = upload(admin, encoded(song(0.5)))
        body = {"track_id": track["id"], "model": "dsp"}
        job_id = admin.post("/api/processing/separate", json=body).json()["data"]["job_id"]

        def message() -> Any:
            found = [each.message for each in receiver.received if each.path == f"/{path}"]
            return next((each for each in found if each["data"]["id"] == job_id), None)

        item: Any = {"body": eventually(message, "the message")}
        item = admin.get(address(nodes["Read the job"], item)).raise_for_status().json()
        for condition in nodes["Only stems"]["parameters"]["conditions"]["conditions"]:
            assert filled(condition["leftValue"], item) == condition["rightValue"]
        archive = admin.get(address(nodes["Download the stems"], item)).raise_for_status()
        assert archive.headers["content-type"] == "application/zip"
    finally:
        admin.delete(f"/api/webhooks/{hook['id']}")


def address(node: Mapping[str, Any], item: Any) -> str:
    """Return the path that a node of n8n requests."""
    return filled(node["parameters"]["url"], item).removeprefix("https://soundwright.example.org")


def filled(expression: str, item: Any) -> str:
    """Return the text of an expression of n8n, whose parts are fields of the item."""

    def field(match: re.Match[str]) -> str:
        value = item
        for name in match[1].split("."):
            value = value[name]
        return str(value)

    assert expression.startswith("=")
    return re.sub(r"\{\{ \$json\.([\w.]+) \}\}", field, expression[1:])


def test_the_notebook(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    played: list[Path] = []
    display = types.ModuleType("IPython.display")
    vars(display).update(Audio=Path, display=played.append)
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    for name in ("SOUNDWRIGHT_SERVER", "SOUNDWRIGHT_TOKEN"):
        monkeypatch.setenv(name, environment[name])
    monkeypatch.chdir(tmp_path)
    Path("song.wav").write_bytes(encoded(song(2.0)))
    names: dict[str, Any] = {}
    cells = json.loads(copy_of("soundwright.ipynb", tmp_path).read_text())["cells"]
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    names["client"].close()
    assert sorted(names["stems"]) == STEMS
    assert played == list(names["stems"].values())
    assert "dsp" in capsys.readouterr().out
    assert names["analysis"]["key"]


def test_the_script_of_reaper(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a take.wav").write_bytes(encoded(song(0.5)))
    problems: list[str] = []
    names, sources, values = {}, {}, {}
    numbers = iter(range(100))

    def execute(command: str, _: int) -> str:
        done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True)
        return f"{done.returncode}\n{done.stdout}{done.stderr}"

    def files(folder: str, number: int) -> str | None:
        found = sorted(path.name for path in Path(folder).iterdir() if not path.name.startswith("."))
        return found[number] if number < len(found) else None

    lua = lupa.LuaRuntime()
    known = {
        "GetSelectedMediaItem": lambda project, index: "item",
        "GetActiveTake": lambda item: "take",
        "GetMediaItemTake_Source": lambda take: "source",
        "GetMediaSourceFileName": lambda source, buffer: str(tmp_path / "a take.wav"),
        "GetProjectPath": lambda buffer: str(tmp_path),
        "ExecProcess": execute,
        "GetMediaItemInfo_Value": lambda item, name: {"D_POSITION": 12.5, "D_LENGTH": 0.5}[name],
        "GetMediaItemTakeInfo_Value": lambda take, name: 0.25,
        "EnumerateFiles": files,
        "CountTracks": lambda project: len(names),
        "InsertTrackAtIndex": lambda index, wants_defaults: None,
        "GetTrack": lambda project, index: index,
        "GetSetMediaTrackInfo_String": lambda track, field, value, sets: names.update({track: value}),
        "AddMediaItemToTrack": lambda track: f"item {next(numbers)}",
        "SetMediaItemInfo_Value": lambda item, name, value: values.update({(item, name): value}),
        "AddTakeToMediaItem": lambda item: f"take of {item}",
        "PCM_Source_CreateFromFile": lambda path: path,
        "SetMediaItemTake_Source": lambda take, path: sources.update({take: path}),
        "SetMediaItemTakeInfo_Value": lambda take, name, value: values.update({(take, name): value}),
        "UpdateArrange": lambda: None,
        "Undo_BeginBlock": lambda: None,
        "Undo_EndBlock": lambda name, flags: None,
        "ShowMessageBox": lambda text, title, kind: problems.append(text),
    }  # fmt: skip
    lua.globals()["reaper"] = lua.table_from(known)
    lua.execute(copy_of("soundwright.lua", tmp_path).read_text())
    assert problems == []
    assert list(names.values()) == STEMS
    assert [soundfile.info(path).frames for path in sources.values()] == [22050] * 4
    assert {value for (_, name), value in values.items() if name == "D_POSITION"} == {12.5}
    lua.execute(copy_of("soundwright.lua", tmp_path).read_text().replace('separate "%s"', 'separate "%s missing"'))
    assert "a take.wav missing" in problems[0]


def test_the_workflow_for_a_podcast(run: Run, tmp_path: Path) -> None:
    songs(tmp_path / "episodes", 1)
    workflow = yaml.safe_load(copy_of("podcast.yml", tmp_path).read_text())
    steps = {step["name"]: step["run"] for step in workflow["jobs"]["voice"]["steps"] if "name" in step}
    assert list(steps) == ["Install", "Voice", "Loudness"]
    for name in ("Voice", "Loudness"):
        run("bash", "-eo", "pipefail", "-c", steps[name])
    assert sorted(path.name for path in (tmp_path / "voice").glob("*/vocals.mp3")) == ["vocals.mp3"]
    lines = (tmp_path / "loudness.jsonl").read_text().splitlines()
    assert all(-60 < json.loads(line)["loudness_lufs"] < 0 for line in lines)
    assert len(lines) == 1


def test_the_songs_of_spleeter_web(run: Run, admin: httpx.Client, site: MediaSite, tmp_path: Path) -> None:
    tracks = [
        {"id": "11111111-1111-4111-8111-111111111111", "artist": "A Band", "title": "One", "url": "/media/uploads/1/o%20ne.wav"},
        {"id": "22222222-2222-4222-8222-222222222222", "artist": "A Band", "title": "Gone", "url": "/media/uploads/2/two.wav"},
    ]  # fmt: skip
    site.file("/api/source-track/", json.dumps(tracks).encode(), "application/json")
    site.file("/media/uploads/1/o%20ne.wav", encoded(song(0.5)), "audio/wav")
    site.status("/media/uploads/2/two.wav", 404)
    script = copy_of("from_spleeter_web.py", tmp_path)
    first = run(sys.executable, script, site.url, code=1)
    assert "A Band - Gone: " in first
    track_id = re.findall(r"^A Band - One: (\S+)$", first, re.MULTILINE)[0]
    assert track_id in run(sys.executable, script, site.url, code=1)
    track = admin.get(f"/api/tracks/{track_id}").json()["data"]
    assert (track["title"], track["artist"], track["stem_count"]) == ("One", "A Band", 4)


def test_the_stand_in_for_audio_separator(run: Run, environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "song.wav").write_bytes(encoded(song(0.5)))
    script = tmp_path / "audio-separator"
    shutil.copy(RECIPES / "audio-separator", script)
    assert script.stat().st_mode & stat.S_IXUSR
    run(script, "song.wav", "-m", "dsp", "--single_stem", "Vocals", "--output_format", "MP3", "--output_dir", "out")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.mp3")) == [
        "song_(accompaniment)_dsp.mp3",
        "song_(vocals)_dsp.mp3",
    ]
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "soundwright"
    command.write_text('#!/bin/sh\necho "$@"\n')
    command.chmod(0o755)
    environment["PATH"] = f"{command.parent}{os.pathsep}{environment['PATH']}"
    said = run(script, "a song.wav", "--model_filename", "model_bs_roformer_ep_317_sdr_12.9755.ckpt")
    assert said.endswith(" a song.wav --model_filename bs-roformer-vocals\n")
