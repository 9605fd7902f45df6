"""Separate a song over gRPC: create the job, watch it, and print the stems.

Usage, while `make run` runs:

    .venv/bin/python examples/separate.py song.mp3

The argument is a file, which is uploaded over HTTP, or the ID of a track. The program needs the stubs in gen/ and the packages
grpcio, grpcio-status and httpx, which `make setup` installs.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import grpc
import httpx
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from soundwright.library.v1 import job_pb2, library_service_pb2, library_service_pb2_grpc
from soundwright.separation.v1 import jobs_pb2, separation_service_pb2, separation_service_pb2_grpc

Metadata = tuple[tuple[str, str], ...]


def upload(api: str, token: str, song: Path) -> str:
    """Upload a song and return the ID of its track. Files travel over HTTP."""
    with song.open("rb") as file:
        answer = httpx.post(
            f"{api}/api/tracks",
            headers={"Authorization": f"Bearer {token}"},
            files={"file": (song.name, file)},
            timeout=600,
        )
    if answer.is_error:
        raise SystemExit(f"The upload failed: {answer.json()['message']}")
    return str(answer.json()["data"]["id"])


def connect(address: str, ca: Path | None) -> grpc.aio.Channel:
    """Open a channel, with TLS if ``ca`` names a file with the certificate of the platform's CA."""
    if ca is None:
        return grpc.aio.insecure_channel(address)
    return grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(ca.read_bytes()))


async def create(channel: grpc.aio.Channel, credentials: Metadata, track_id: str, model: str) -> str:
    """Create a separation job and return its ID."""
    async with channel:
        separation = separation_service_pb2_grpc.SeparationServiceStub(channel)
        parameters = jobs_pb2.SeparationParameters(model=model)
        request = separation_service_pb2.CreateJobRequest(track_id=track_id, parameters=parameters)
        return (await separation.CreateJob(request, metadata=credentials, timeout=30)).job.id


async def watch(channel: grpc.aio.Channel, credentials: Metadata, job_id: str) -> job_pb2.Job:
    """Print the states of a job until it has ended, and return it."""
    job = job_pb2.Job()
    async with channel:
        jobs = library_service_pb2_grpc.JobServiceStub(channel)
        while True:
            request = library_service_pb2.WatchJobRequest(job_id=job_id)
            try:
                async for state in jobs.WatchJob(request, metadata=credentials, wait_for_ready=True):
                    job = state.job
                    name = job_pb2.JobState.Name(job.state).removeprefix("JOB_STATE_").lower()
                    place = f", position {state.position}" if state.position else ""
                    print(f"{name}{place} {job.progress_ratio:.0%} {job.progress_message}".rstrip())
                return job
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                await asyncio.sleep(1)  # the library restarts, and the job goes on meanwhile


def sentence(error: grpc.aio.AioRpcError) -> str:
    """Return the reason and the message of an error: UPPER_SNAKE_CASE for programs, and a sentence for people."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # it has the methods of a call
    info = error_details_pb2.ErrorInfo()
    for detail in status.details if status else ():
        detail.Unpack(info)
    return f"{info.reason or error.code().name}: {error.details()}"


async def separate(options: argparse.Namespace) -> None:
    token = options.token or (options.data / "admin-token").read_text().strip()
    credentials = (("authorization", f"Bearer {token}"),)
    song = Path(options.song)
    track_id = upload(options.api, token, song) if song.is_file() else options.song
    sockets = options.data / "run"
    separation = connect(options.separation or f"unix:{sockets}/separation.sock", options.ca)
    job_id = await create(separation, credentials, track_id, options.model)
    job = await watch(connect(options.library or f"unix:{sockets}/library.sock", options.ca), credentials, job_id)
    if job.state != job_pb2.JOB_STATE_SUCCEEDED:
        raise SystemExit(f"The job has not succeeded. {job.error.reason}: {job.error.message}")
    for output in job.result.outputs:
        seconds = output.frame_count / output.sample_rate_hz
        print(f"{output.name}: {seconds:.1f} s, {output.size_bytes} bytes, {options.api}/export/stem/{output.id}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Separate a song over gRPC.")
    parser.add_argument("song", help="a file, or the ID of a track")
    parser.add_argument("--model", default="", help="default: that of the platform")
    parser.add_argument("--token", default="", help="an API token; default: that of the administrator")
    parser.add_argument("--data", type=Path, default=Path("data"), help="data directory of the stack")
    parser.add_argument("--api", default="http://127.0.0.1:4000", help="address of the gateway")
    parser.add_argument("--library", default="", help="gRPC address; default: the socket in the data directory")
    parser.add_argument("--separation", default="", help="gRPC address; default: the socket in the data directory")
    parser.add_argument("--ca", type=Path, help="certificate of the platform's CA; default: no TLS")
    try:
        asyncio.run(separate(parser.parse_args()))
    except grpc.aio.AioRpcError as error:
        sys.exit(sentence(error))


if __name__ == "__main__":
    main()
