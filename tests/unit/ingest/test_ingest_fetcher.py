"""Fetching from a site that does all that sites do: yt-dlp in a real process, real sockets, real files."""

import asyncio
import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from soundwright.kit import audio
from soundwright.kit.confined import process
from soundwright.kit.confined.process import Confinement, run_confined
from soundwright.kit.errors import AppError, Code
from soundwright.kit.security.egress_policy import EgressPolicy
from soundwright.services.ingest.fetch.fetcher import Fetched, Fetcher, _harmless, warm_up
from tests.simulators.media_site import MediaSite
from tests.unit.confined_probes import confined_processes
from tests.unit.ingest.test_ingest_encoding import muxed, tone, written
from tests.waiting import until

LIMIT_BYTES = 4 << 20


@pytest.fixture(scope="module")
def mp3(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("mp3") / "mp3"
    return written(path, tone(3.0), format="MP3", subtype="MPEG_LAYER_III").read_bytes()


def fetcher(site: MediaSite, **changes: Any) -> Fetcher:
    settings: dict[str, Any] = {
        "search_url": site.search_url, "limit_bytes": LIMIT_BYTES, "max_seconds": 600.0, "deadline_seconds": 120.0,
        "idle_seconds": 60.0,
    }  # fmt: skip
    return Fetcher(EgressPolicy([site.address]), **{**settings, **changes})


async def fetch(site: MediaSite, url: str, folder: Path, **changes: Any) -> Fetched:
    return await fetcher(site, **changes).fetch_link(url, folder, lambda share: None)


async def refusal(site: MediaSite, url: str, folder: Path, **changes: Any) -> tuple[Code, str]:
    with pytest.raises(AppError) as caught:
        await fetch(site, url, folder, **changes)
    assert confined_processes() == []
    assert "127.0.0.1" not in caught.value.message
    return caught.value.code, caught.value.reason


async def test_a_file_comes_as_it_is_over_redirects(site: MediaSite, mp3: bytes, tmp_path: Path) -> None:
    shares: list[float] = []
    site.file("/My%20Song.mp3", mp3)
    site.redirect("/second", "/My%20Song.mp3", status=307)
    url = site.redirect("/first", f"{site.url}/second")
    fetched = await fetcher(site).fetch_link(url, tmp_path, shares.append)
    assert fetched.path.read_bytes() == mp3
    assert (fetched.title, fetched.artist, fetched.extractor, fetched.direct) == ("My Song", "", "Generic", True)
    assert list(tmp_path.iterdir()) == [fetched.path]
    assert max(shares) == 1.0
    assert confined_processes() == []


async def test_progress_is_that_of_the_bytes(site: MediaSite, tmp_path: Path) -> None:
    content = written(tmp_path / "long", tone(18.0)).read_bytes()  # 3 MB
    (tmp_path / "long").unlink()
    shares: list[float] = []
    await fetcher(site).fetch_link(site.file("/long.wav", content, "audio/wav"), tmp_path, shares.append)
    risen = [share for share in shares if share]
    assert risen == sorted(risen)
    assert len({round(share, 1) for share in risen}) >= 3


async def test_a_page_with_one_recording(site: MediaSite, mp3: bytes, tmp_path: Path) -> None:
    address = site.file("/in%20page.mp3", mp3)
    page = f'<html><head><title>A page</title></head><body><audio src="{address}"></audio></body></html>'
    assert (await fetch(site, site.file("/page", page.encode(), "text/html"), tmp_path)).path.read_bytes() == mp3


async def test_a_warm_server_of_processes_has_loaded_all_extractors_and_the_codecs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = process._ForkServer()
    monkeypatch.setattr(process, "_server", server)
    await warm_up(tmp_path)
    names = {"names": ["yt_dlp.extractor._extractors", "av"]}
    loaded = await run_confined("tests.unit.confined_probes:loaded", names, Confinement(tmp_path))
    assert loaded == names["names"]
    server.close()


def playlist(site: MediaSite, name: str, *addresses: str) -> str:
    lines = [f"#EXTINF:2.0,\n{address}" for address in addresses]
    text = "\n".join(["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2", *lines, "#EXT-X-ENDLIST"])
    return site.file(name, text.encode(), "application/vnd.apple.mpegurl")


async def test_hls_comes_piece_by_piece_without_another_program(site: MediaSite, tmp_path: Path) -> None:
    piece = muxed(tmp_path / "piece", "aac", "mpegts", tone(2.0, rate_hz=48_000))
    for number in range(2):
        site.file(f"/{number}.ts", piece.read_bytes(), "video/mp2t")
    piece.unlink()
    fetched = await fetch(site, playlist(site, "/list.m3u8", "0.ts", "1.ts"), tmp_path)
    summary = audio.inspect(fetched.path)
    assert (summary.info.container, summary.warnings) == ("m4a", ())
    assert summary.duration_seconds == pytest.approx(4.0, abs=0.1)
    assert [path for path in site.seen if path.endswith(".ts")] == ["/0.ts", "/1.ts"]


async def test_a_playlist_cannot_name_files_or_private_servers(site: MediaSite, tmp_path: Path) -> None:
    with MediaSite() as inside:
        secret = inside.file("/secret.ts", b"secret", "video/mp2t")
        for number, address in enumerate(("file:///etc/passwd", secret)):
            await refusal(site, playlist(site, f"/{number}.m3u8", address), tmp_path)
            assert not (tmp_path / "media").exists() or b"root:" not in (tmp_path / "media").read_bytes()
        assert inside.seen == []


async def test_the_best_match_is_fetched(site: MediaSite, wav: bytes, mp3: bytes, tmp_path: Path) -> None:
    site.found = [
        ("Blinding Lights (Live)", "The Weeknd", 200.0, site.file("/live.wav", wav)),
        ("Blinding Lights (Official Video)", "The Weeknd", 262.0, site.file("/video.wav", wav)),
        ("Blinding Lights", "The Weeknd", 203.0, site.file("/right.mp3", mp3)),
        ("Something else", "Somebody", 200.0, site.file("/else.wav", wav)),
    ]
    fetched = await fetcher(site).fetch_match("Blinding Lights", ["The Weeknd", "X"], 200.0, tmp_path, lambda s: None)
    assert fetched.path.read_bytes() == mp3
    assert site.seen[0] == "/search?q=The%20Weeknd%20-%20Blinding%20Lights"
    assert set(site.seen[1:]) == {"/right.mp3"}


async def test_a_match_that_cannot_be_had_gives_way_to_the_next(site: MediaSite, mp3: bytes, tmp_path: Path) -> None:
    site.found = [
        ("Song", "Artist", 100.0, site.status("/gone.mp3", 404)),
        ("Song", "Artist", 100.0, "http://10.0.0.1/private.mp3"),
        ("Song (cover)", "Artist", 100.0, site.file("/there.mp3", mp3)),
    ]
    fetched = await fetcher(site).fetch_match("Song", ["Artist"], 100.0, tmp_path, lambda share: None)
    assert fetched.path.read_bytes() == mp3


async def test_no_match(site: MediaSite, mp3: bytes, tmp_path: Path) -> None:
    site.found = [("Something else", "Somebody", 100.0, site.file("/else.mp3", mp3))]
    with pytest.raises(AppError, match=r"^NO_MATCH") as caught:
        await fetcher(site).fetch_match("Song", ["Artist"], 100.0, tmp_path, lambda share: None)
    assert caught.value.code is Code.UNPROCESSABLE
    assert "/else.mp3" not in site.seen


MPEG = b"\xff\xfb\x90\x00"


@pytest.mark.parametrize(
    ("build", "code", "reason", "changes"),
    [
        (lambda site: site.file("/a.mp3", b"<!doctype html>", "text/html"), "UNPROCESSABLE", "MEDIA_UNSUPPORTED", {}),
        (lambda site: site.status("/gone.mp3", 404), "UNPROCESSABLE", "MEDIA_UNAVAILABLE", {}),
        (lambda site: site.status("/broken.mp3", 500), "UNAVAILABLE", "FETCH_INTERRUPTED", {}),
        (lambda site: site.redirect("/loop", f"{site.url}/loop"), "UNPROCESSABLE", "MEDIA_UNAVAILABLE", {}),
        (lambda site: site.redirect("/name", "http://localhost/"), "UNPROCESSABLE", "ADDRESS_REFUSED", {}),
        (lambda site: site.redirect("/odd", "http://0x7f.1/"), "UNPROCESSABLE", "ADDRESS_REFUSED", {}),
        (lambda site: site.endless("/endless.mp3", MPEG + bytes(4000)), "TOO_LARGE", "TOO_LARGE", {}),
        (lambda site: site.lying("/more.mp3", MPEG * 500, 1 << 40), "TOO_LARGE", "TOO_LARGE", {}),
        (lambda site: site.lying("/less.mp3", MPEG * 500, 9000), "UNAVAILABLE", "FETCH_INTERRUPTED", {}),
        (lambda site: f"{site.url}/search?q=two", "UNPROCESSABLE", "MEDIA_SEVERAL", {}),
        (lambda site: site.dripping("/slow.mp3", MPEG), "UNPROCESSABLE", "FETCH_TIMEOUT", {"deadline_seconds": 1.5}),
        (lambda site: site.stalling("/a.mp3", MPEG * 99), "UNAVAILABLE", "FETCH_INTERRUPTED", {"idle_seconds": 0.3}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_refusals(
    site: MediaSite, tmp_path: Path, build: Callable[[MediaSite], str], code: str, reason: str, changes: dict[str, Any]
) -> None:
    site.found = [(name, "", 1.0, site.file(f"/{name}.mp3", MPEG)) for name in ("one", "two")]
    assert await refusal(site, build(site), tmp_path, **changes) == (Code[code], reason)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= LIMIT_BYTES


async def test_what_says_that_it_is_too_long_is_not_fetched(site: MediaSite, mp3: bytes, tmp_path: Path) -> None:
    video = {
        "@context": "https://schema.org", "@type": "VideoObject", "name": "Long", "duration": "PT2H",
        "contentUrl": site.file("/long.mp3", mp3),
    }  # fmt: skip
    page = f'<html><script type="application/ld+json">{json.dumps(video)}</script></html>'
    url = site.file("/page", page.encode(), "text/html")
    assert await refusal(site, url, tmp_path) == (Code.UNPROCESSABLE, "AUDIO_TOO_LONG")
    assert list(tmp_path.iterdir()) == []


class Cancelled(Exception):
    pass


async def test_cancelling_ends_the_process_at_once(site: MediaSite, mp3: bytes, tmp_path: Path) -> None:
    url = site.stalling("/stalling.mp3", mp3)
    seen: list[psutil.Process] = []

    def report(share: float) -> None:
        if site.underway.is_set():
            seen.extend(confined_processes())
            raise Cancelled

    with pytest.raises(Cancelled):
        await fetcher(site).fetch_link(url, tmp_path, report)
    assert len(seen) == 1
    assert not seen[0].is_running()
    assert confined_processes() == []


async def test_a_cancelled_task_ends_the_process_too(site: MediaSite, mp3: bytes, tmp_path: Path) -> None:
    task = asyncio.create_task(fetch(site, site.dripping("/dripping.mp3", mp3), tmp_path))
    await until(site.underway.is_set)
    assert len(confined_processes()) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert confined_processes() == []


def test_logs_hold_no_secrets_of_addresses() -> None:
    said = "Unsupported URL: https://user:pw@a.example/b?token=secret#x; via socks5h://fetch:secret@127.0.0.1:9 failed"
    assert _harmless(said) == "Unsupported URL: https://a.example/b via socks5h://127.0.0.1:9 failed"


async def test_the_process_is_confined_while_it_fetches(site: MediaSite, mp3: bytes, tmp_path: Path) -> None:
    """Even if yt-dlp forgot the proxy: here it is told of none."""
    request = {"url": site.file("/song.mp3", mp3), "proxy_url": "", "limit_bytes": 1000, "max_seconds": 10}
    answer = await run_confined(
        "soundwright.services.ingest.fetch.child:fetch", request, Confinement(tmp_path, tcp_port=9)
    )
    assert answer["error"] == "network"
    assert "not allowed here" in answer["detail"]
    assert site.seen == []


def test_a_full_disk_is_a_reason_to_try_again() -> None:
    """Also if the file cannot even be created: yt-dlp says then that the recording is unavailable."""
    # Importing yt-dlp takes a second, which each process that collects tests would need.
    from yt_dlp.utils import UnavailableVideoError

    from soundwright.services.ingest.fetch import child

    def create(_ydl: object) -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise UnavailableVideoError(error)  # noqa: B904 (as yt-dlp does)

    with pytest.raises(child._Failure) as failure:
        child._guarded({"proxy_url": ""}, {}, create)
    assert failure.value.kind == "storage"
