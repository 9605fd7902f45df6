"""The tools for AI agents, through the official client, as docs/MCP.md describes them."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import soundfile
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from stories import encoded, finished, song, upload

from soundwright_client.local import free_ports
from tests.stacks import Stack
from tests.waiting import eventually

ACCEPT = "application/json, text/event-stream"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "agent", "version": "1"}},
}
SCRIPT = Path(sys.executable).with_name("soundwright")


async def call(agent: Client, name: str, **arguments: Any) -> Any:
    answer = await agent.call_tool(name, arguments)
    assert not answer.is_error, answer.content
    content: Any = answer.structured_content
    return content["result"] if set(content) == {"result"} else content


async def refused(agent: Client, name: str, **arguments: Any) -> str:
    answer = await agent.call_tool(name, arguments)
    assert answer.is_error
    return str(answer.content[0].text)  # type: ignore[union-attr]


async def test_an_agent_separates_a_file_and_gets_paths(stack: Stack, admin: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "lute.wav").write_bytes(encoded(song(1.0, seed=90)))
    (tmp_path / "long lute.wav").write_bytes(encoded(song(60.0, seed=91)))
    environment = {**os.environ, "SOUNDWRIGHT_SERVER": stack.base_url, "SOUNDWRIGHT_TOKEN": stack.token}
    command = StdioServerParameters(command=str(SCRIPT), args=["mcp", "--folder", str(tmp_path)], env=environment)
    async with Client(stdio_client(command)) as agent:
        track = await call(agent, "upload_track", path="lute.wav")
        steps: list[float] = []

        async def progress(done: float, total: float | None, message: str | None) -> None:
            steps.append(done)

        wanted = {"track_id": track["id"], "model": "dsp", "stems": ["vocals"]}
        job = (await agent.call_tool("separate_track", wanted, progress_callback=progress)).structured_content
        assert job is not None
        assert ([stem["name"] for stem in job["stems"]], steps[-1]) == (["vocals", "accompaniment"], 100)
        files = await call(agent, "save_result", job_id=job["id"], path="stems", format="wav16")
        assert [soundfile.info(file).duration for file in files] == [1.0, 1.0]
        assert "outside" in await refused(agent, "save_result", job_id=job["id"], path="../elsewhere")
        for path in ("../jobs", "lute.wav", str(tmp_path / "lute.wav")):
            assert "no such track" in await refused(agent, "analyze_track", track_id=path)
        found = await call(agent, "search_library", words="lute")
        assert [(each["kind"], each["id"]) for each in found] == [("track", track["id"])]
        text = (await agent.read_resource(f"soundwright://jobs/{job['id']}")).contents[0].text  # type: ignore[union-attr]
        assert track["id"] in text

        long = await call(agent, "upload_track", path="long lute.wav")
        ahead = await call(agent, "separate_track", track_id=long["id"], model="dsp", wait=False)
        with anyio.move_on_after(None) as patience:

            async def started(*_: object) -> None:
                patience.cancel()  # the agent gives up at the first report

            await agent.call_tool("separate_track", {"track_id": long["id"], "model": "dsp"}, progress_callback=started)
        assert patience.cancelled_caught
        given_up = next(each for each in await call(agent, "list_jobs") if each["track_id"] == long["id"])
        assert given_up["id"] != ahead["id"]
        assert finished(admin, f"/api/jobs/{given_up['id']}")["error"] == "cancelled"
        await call(agent, "cancel_job", job_id=ahead["id"])
        assert (await call(agent, "get_job", job_id=given_up["id"]))["status"] == "failed"


async def test_each_caller_over_http_has_the_rights_of_its_token(stack: Stack, admin: httpx.Client) -> None:
    foreign = upload(admin, encoded(song(1.0, seed=92)), title="private viol")
    [port] = free_ports(1)
    environment = {**os.environ, "SOUNDWRIGHT_SERVER": stack.base_url, "SOUNDWRIGHT_TOKEN": stack.token}
    command = [SCRIPT, "mcp", "--http", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:  # noqa: ASYNC220
        try:
            address = f"http://127.0.0.1:{port}/mcp"
            eventually(lambda: answers(address), "the MCP server")
            tokens = {stack.token: ["private viol"], stack.create_account("agent@example.org"): []}
            for token, titles in tokens.items():
                headers = {"Authorization": f"bearer {token}"}
                async with (
                    httpx2.AsyncClient(headers=headers) as http,
                    Client(streamable_http_client(address, http_client=http)) as agent,
                ):
                    found = await call(agent, "search_library", words="viol")
                    assert [each["title"] for each in found] == titles
                    assert "no access to files" in await refused(agent, "upload_track", path="/etc/passwd")
            async with httpx2.AsyncClient() as http:
                begun = await http.post(address, json=INITIALIZE, headers={"Accept": ACCEPT})
                assert (begun.status_code, begun.headers.get("mcp-session-id")) == (200, None)
                assert (await http.get(address, headers={"Accept": ACCEPT})).status_code == 405
            async with Client(address) as nobody:
                assert "token" in await refused(nobody, "analyze_track", track_id=foreign["id"])
        finally:
            process.terminate()


def answers(address: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.options(address).status_code > 0
    return False
