"""Previews of links: what a site says of its recordings, without a download; yt-dlp in a real process, real sockets."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from test_ingest_fetcher import fetcher

from soundwright.kit.errors import AppError
from soundwright.kit.security.egress_policy import EgressPolicy
from soundwright.kit.security.identity import Principal, principal_scope
from soundwright.services.ingest.fetch.fetcher import Preview
from soundwright.services.ingest.previews import LinkPreview, LinkPreviews
from tests.simulators.media_site import MediaSite
from tests.unit.confined_probes import confined_processes
from tests.waiting import until


async def preview(site: MediaSite, url: str, folder: Path, **changes: Any) -> Preview:
    limits = {"entry_limit": 3, "deadline_seconds": 60.0} | changes
    found = await fetcher(site).preview(url, folder, **limits)
    assert confined_processes() == []
    return found


async def refusal(site: MediaSite, url: str, folder: Path, **changes: Any) -> str:
    with pytest.raises(AppError) as caught:
        await preview(site, url, folder, **changes)
    assert confined_processes() == []
    return caught.value.reason


async def test_a_file_is_named_and_not_downloaded(site: MediaSite, wav: bytes, tmp_path: Path) -> None:
    found = await preview(site, site.file("/songs/Blue%20Hour.wav", wav, "audio/wav"), tmp_path)
    (entry,) = found.entries
    assert (found.name, entry.title, entry.live, found.truncated) == ("", "Blue Hour", False, False)
    assert list(tmp_path.iterdir()) == []


async def test_a_list_has_its_entries_up_to_the_limit(site: MediaSite, tmp_path: Path) -> None:
    site.found = [(f"Tune {n}", "The Band", 60.0 + n, f"{site.url}/{n}.mp3") for n in range(5)]
    found = await preview(site, f"{site.url}/search?q=tunes", tmp_path)
    assert (found.name, found.truncated) == ("tunes", True)
    assert [(entry.title, entry.url) for entry in found.entries] == [
        (f"Tune {n}", f"{site.url}/{n}.mp3") for n in range(3)
    ]
    assert [path for path in site.seen if path.endswith(".mp3")] == []


async def test_text_of_a_site_is_one_short_line(site: MediaSite, tmp_path: Path) -> None:
    site.found = [("<b>Tune</b>\u202e\n" + "x" * 2000, "The Band", 1e300, f"{site.url}/1.mp3")] * 2
    entry = (await preview(site, f"{site.url}/search?q=hostile", tmp_path)).entries[0]
    assert entry.title.startswith("<b>Tune</b> x")
    assert len(entry.title) <= 500
    assert (entry.title.isprintable(), entry.duration_seconds) == (True, 0.0)


async def test_private_addresses_are_refused(site: MediaSite, tmp_path: Path) -> None:
    with MediaSite() as private:
        secret = private.file("/secret.wav", b"secret", "audio/wav")
        for url in (secret, site.redirect("/innocent", secret)):
            assert await refusal(site, url, tmp_path) == "ADDRESS_REFUSED"
        assert private.seen == []


async def test_hostile_sites_end_within_the_limits(site: MediaSite, tmp_path: Path) -> None:
    endless = site.endless("/endless", b"<p>" * 10_000, "text/html")
    assert await refusal(site, endless, tmp_path, deadline_seconds=4.0) in ("TOO_LARGE", "FETCH_TIMEOUT")
    dripping = site.dripping("/dripping", b"<p>", "text/html")
    assert await refusal(site, dripping, tmp_path, deadline_seconds=1.5) == "FETCH_TIMEOUT"
    assert await refusal(site, site.status("/gone", 404), tmp_path) == "MEDIA_UNAVAILABLE"
    page = site.file("/page", b"<html><title>No song</title></html>", "text/html")
    assert await refusal(site, page, tmp_path) == "MEDIA_UNSUPPORTED"


class _Library:
    """The part of ``Downloads`` that says which recordings the caller has."""

    async def track_ids(self, source_ids: list[str]) -> list[str]:
        return ["a track" if source_id.endswith("/1.mp3") else "" for source_id in source_ids]


def previews(site: MediaSite, folder: Path) -> LinkPreviews:
    library: Any = _Library()
    policy = EgressPolicy([site.address])
    return LinkPreviews(library, fetcher(site), policy, max_seconds=100.0, slot_count=1, scratch=folder)


async def test_entries_say_what_is_there_already_and_what_cannot_be_had(site: MediaSite, tmp_path: Path) -> None:
    site.found = [("One", "", 60.0, f"{site.url}/1.mp3"), ("Long", "", 101.0, f"{site.url}/2.mp3")]
    with principal_scope(Principal("ann", "user")):
        found = await previews(site, tmp_path).look(f"{site.url}/search?q=x")
    assert (found.kind, found.name, found.entry_count) == ("link", "x", 2)
    one, long = found.entries
    assert (one.track_id, one.problem) == ("a track", "")
    assert (long.track_id, long.problem) == ("", "The recording exceeds the maximum length.")


async def test_few_links_are_read_at_once(site: MediaSite, tmp_path: Path) -> None:
    stalling = site.stalling("/stalling", b"<p>" * 100, "text/html")
    looking = previews(site, tmp_path)
    waiting: list[asyncio.Task[LinkPreview]] = [asyncio.create_task(looking.look(stalling)) for _ in range(20)]
    await until(site.underway.is_set)
    with pytest.raises(AppError, match="TOO_MANY_PREVIEWS"):
        await looking.look(stalling)
    assert len(site.seen) == 1
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert confined_processes() == []
    site.file("/song.wav", b"RIFF", "audio/wav")
    assert (await looking.look(f"{site.url}/song.wav")).entry_count == 1
