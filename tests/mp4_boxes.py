"""Rewrites the boxes of MP4 files, as editors and players write them."""

import struct
from collections.abc import Callable

_CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")

Boxes = list[tuple[bytes, bytes]]


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + name + body


def edit_list(entries: list[tuple[int, int]], version: int = 0) -> bytes:
    """Return the box ``edts``. ``entries``: duration on the clock of the movie, and start on the clock of the media or -1."""
    form = ">Iihh" if version == 0 else ">Qqhh"
    body = b"".join(struct.pack(form, duration, start, 1, 0) for duration, start in entries)
    return box(b"edts", box(b"elst", struct.pack(">II", version << 24, len(entries)) + body))


def gapless_tag(priming: int, padding: int, frames: int, before: bytes = b"") -> bytes:
    """Return the box ``udta`` with the tag iTunSMPB, and another tag ``before`` it."""
    text = f" 00000000 {priming:08X} {padding:08X} {frames:016X}" + " 00000000" * 8
    names = box(b"mean", bytes(4) + b"com.apple.iTunes") + box(b"name", bytes(4) + b"iTunSMPB")
    return tag_box(before + box(b"----", names + box(b"data", struct.pack(">II", 1, 0) + text.encode())))


def tag_box(items: bytes) -> bytes:
    handler = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    return box(b"udta", box(b"meta", bytes(4) + handler + box(b"ilst", items)))


def with_boxes(content: bytes, *, edits: bytes = b"", tags: bytes = b"", movie_clock: int | None = None) -> bytes:
    """Replace the edit lists, the user data and the clock of the movie of a file, and put ``moov`` before ``mdat``.

    ``movie_clock``: ticks per second.
    """

    def change(path: tuple[bytes, ...], boxes: Boxes) -> Boxes:
        kept = [(name, body) for name, body in boxes if name not in (b"edts", b"udta")]
        if path == ():
            kept.sort(key=lambda each: [b"ftyp", b"moov"].index(each[0]) if each[0] in (b"ftyp", b"moov") else 2)
        if path == (b"moov", b"trak") and edits:
            kept.insert(1, (b"edts", edits[8:]))
        if path == (b"moov",) and tags:
            kept.append((b"udta", tags[8:]))
        if movie_clock is not None:
            kept = [(n, b[:12] + struct.pack(">I", movie_clock) + b[16:] if n == b"mvhd" else b) for n, b in kept]
        return kept

    changed = _rewritten(content, (), change)
    moved = changed.index(b"mdat") - content.index(b"mdat")
    at = changed.index(b"stco") + 4
    count = struct.unpack_from(">I", changed, at + 4)[0]
    offsets = struct.unpack_from(f">{count}I", changed, at + 8)
    return changed[: at + 8] + struct.pack(f">{count}I", *(o + moved for o in offsets)) + changed[at + 8 + 4 * count :]


def _rewritten(content: bytes, path: tuple[bytes, ...], change: Callable[[tuple[bytes, ...], Boxes], Boxes]) -> bytes:
    boxes, at = [], 0
    while at < len(content):
        size, name = struct.unpack_from(">I4s", content, at)
        body = content[at + 8 : at + size]
        boxes.append((name, _rewritten(body, (*path, name), change) if name in _CONTAINERS else body))
        at += size
    return b"".join(box(name, body) for name, body in change(path, boxes))
