"""What an audio file says about its song."""

from dataclasses import dataclass

from soundwright.kit.errors import Code, suppressed
from soundwright.kit.ports import Blobs
from soundwright.kit.text import one_line
from soundwright.library.v1 import track_pb2


@dataclass(frozen=True)
class SongTags:
    """Tags of an audio file. Empty values and 0 mean unknown.

    Attributes:
        key: such as "A minor".
    """

    title: str = ""
    artist: str = ""
    album: str = ""
    bpm: int = 0
    key: str = ""
    cover: bytes = b""


async def tags_of(track: track_pb2.Track, blobs: Blobs, part: str = "") -> SongTags:
    """Return the tags of a file of a track, or of a part of it."""
    return SongTags(
        part_title(one_line(track.title), part),
        one_line(track.artist),
        one_line(track.album),
        round(track.bpm),
        track.key,
        await _cover(blobs, track.cover_blob_key),
    )


def part_title(title: str, part: str) -> str:
    """Return the title of a part of a song, such as "Blue Hour (vocals)"; an empty part is the song."""
    return f"{title} ({part})" if title and part else title or part


async def _cover(blobs: Blobs, key: str) -> bytes:
    """Return a stored cover; empty if there is none."""
    with suppressed(Code.NOT_FOUND):
        return b"".join([piece async for piece in blobs.read(key)]) if key else b""
    return b""
