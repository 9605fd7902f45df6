"""Playlists behave like a model of them, whatever two accounts do with them in whatever order."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from exploring import LENGTHS, MOSTLY, Length, explore, members
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule
from published import Document
from stories import listener, made

from tests.stacks import Stack

UNKNOWN = "0123456789abcdef0123456789abcdef"
CALLERS = st.sampled_from([0, 1])
NAMES = st.just("Rainy days") | st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=102)
CLIPS = st.integers(0, 4)


@dataclass
class Expected:
    """A playlist as the model knows it."""

    owner: int
    name: str
    description: str = ""
    is_public: bool = False
    clips: list[str] = field(default_factory=list)


class PlaylistMachine(RuleBasedStateMachine):
    """Two new accounts create, change, share and delete playlists of clips that exist, and of one that does not."""

    playlists = Bundle("playlists")

    def __init__(self, stack: Stack, document: Document, clips: list[str]) -> None:
        super().__init__()
        self.opened = contextlib.ExitStack()
        self.callers = self.opened.enter_context(members(stack, document, 2))
        self.clips = [*clips, UNKNOWN]
        self.model: dict[str, Expected] = {}

    def teardown(self) -> None:
        self.opened.close()

    def expected(self, caller: int, playlist: str, *, change: bool) -> Expected | None:
        """Return the playlist if the caller may see it, or change it."""
        known = self.model.get(playlist)
        seen = known is not None and (known.owner == caller or (known.is_public and not change))
        return known if seen else None

    def caller(self, playlist: str, by_owner: bool) -> int:
        known = self.model.get(playlist)
        owner = known.owner if known is not None else 0
        return owner if by_owner else 1 - owner

    def send(self, caller: int, method: str, path: str, **options: Any) -> httpx.Response:
        return self.callers[caller].request(method, f"/api/playlists{path}", **options)

    @initialize(target=playlists)
    def begin(self) -> str:
        """Create a playlist with all clips, so that the first steps have something to change."""
        playlist = str(self.create(0, "First", False))
        for clip in range(4):
            self.add(playlist, True, clip)
        return playlist

    @rule(target=playlists, caller=CALLERS, name=NAMES, public=st.booleans())
    def create(self, caller: int, name: str, public: bool) -> Any:
        answer = self.send(caller, "POST", "", json={"name": name, "is_public": public})
        name = name.strip()
        if not 1 <= len(name) <= 100:
            assert answer.status_code == 400
            return multiple()
        assert answer.status_code == 201, answer.text
        playlist = str(answer.json()["id"])
        assert playlist not in self.model
        self.model[playlist] = Expected(caller, name, is_public=public)
        return playlist

    @rule(playlist=playlists, by_owner=MOSTLY, name=st.none() | NAMES, public=st.none() | st.booleans())
    def update(self, playlist: str, by_owner: bool, name: str | None, public: bool | None) -> None:
        caller = self.caller(playlist, by_owner)
        answer = self.send(caller, "PUT", f"/{playlist}", json={"name": name, "is_public": public})
        known = self.expected(caller, playlist, change=True)
        if name is not None and not 1 <= len(name.strip()) <= 100:
            assert answer.status_code == 400
        elif known is None:
            assert answer.status_code == 404
        else:
            assert answer.status_code == 200, answer.text
            known.name = known.name if name is None else name.strip()
            known.is_public = known.is_public if public is None else public

    @rule(playlist=playlists, by_owner=MOSTLY)
    def delete(self, playlist: str, by_owner: bool) -> None:
        caller = self.caller(playlist, by_owner)
        answer = self.send(caller, "DELETE", f"/{playlist}")
        if self.expected(caller, playlist, change=True) is None:
            assert answer.status_code == 404
        else:
            assert answer.status_code == 200
            del self.model[playlist]

    @rule(playlist=playlists, by_owner=MOSTLY, clip=CLIPS)
    def add(self, playlist: str, by_owner: bool, clip: int) -> None:
        caller = self.caller(playlist, by_owner)
        answer = self.send(caller, "POST", f"/{playlist}/tracks", json={"generation_id": self.clips[clip]})
        known = self.expected(caller, playlist, change=True)
        if known is None or self.clips[clip] == UNKNOWN:
            assert answer.status_code == 404
        elif self.clips[clip] in known.clips:
            assert (answer.status_code, answer.json()["error"]) == (400, "Track already in playlist")
        else:
            known.clips.append(self.clips[clip])
            assert answer.json() == {"success": True, "position": len(known.clips) - 1}

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def add_all_at_once(self, data: st.DataObject) -> None:
        """Each clip is added twice at the same time: one of the two succeeds."""
        playlist = data.draw(st.sampled_from(sorted(self.model)))
        known = self.model[playlist]
        wanted = self.clips[:-1] * 2
        with ThreadPoolExecutor(len(wanted)) as pool:
            path = f"/{playlist}/tracks"
            answers = pool.map(
                lambda clip: self.send(known.owner, "POST", path, json={"generation_id": clip}).json(), wanted
            )
        placed = {
            answer["position"]: clip for answer, clip in zip(answers, wanted, strict=True) if "position" in answer
        }
        missing = [clip for clip in self.clips[:-1] if clip not in known.clips]
        assert sorted(placed.values()) == sorted(missing)
        assert sorted(placed) == list(range(len(known.clips), len(self.clips) - 1))
        known.clips += [placed[position] for position in sorted(placed)]

    @rule(playlist=playlists, by_owner=MOSTLY, clip=CLIPS)
    def remove(self, playlist: str, by_owner: bool, clip: int) -> None:
        caller = self.caller(playlist, by_owner)
        answer = self.send(caller, "DELETE", f"/{playlist}/tracks/{self.clips[clip]}")
        known = self.expected(caller, playlist, change=True)
        if known is None or self.clips[clip] not in known.clips:
            assert answer.status_code == 404
        else:
            assert answer.status_code == 200
            known.clips.remove(self.clips[clip])

    @rule(playlist=playlists, by_owner=MOSTLY, order=st.permutations(range(4)), whole=MOSTLY)
    def reorder(self, playlist: str, by_owner: bool, order: list[int], whole: bool) -> None:
        caller = self.caller(playlist, by_owner)
        known = self.expected(caller, playlist, change=True)
        wanted = [self.clips[at] for at in order if known is None or not whole or self.clips[at] in known.clips]
        answer = self.send(caller, "PUT", f"/{playlist}/reorder", json={"track_order": wanted})
        if known is None:
            assert answer.status_code == 404
        elif sorted(wanted) != sorted(known.clips):
            assert answer.status_code == 400
        else:
            assert answer.status_code == 200
            known.clips = wanted

    @invariant()
    def lists_are_as_expected(self) -> None:
        for caller in (0, 1):
            listed = self.send(caller, "GET", "").json()["playlists"]
            own = {name: known for name, known in self.model.items() if known.owner == caller}
            assert [each["id"] for each in listed] == list(reversed(own))
            for each in listed:
                known = own[each["id"]]
                assert (each["name"], each["description"]) == (known.name, known.description)
                assert (each["is_public"], each["track_count"]) == (known.is_public, len(known.clips))

    @rule(playlist=playlists, by_owner=MOSTLY)
    def look(self, playlist: str, by_owner: bool) -> None:
        caller = self.caller(playlist, by_owner)
        answer = self.send(caller, "GET", f"/{playlist}")
        known = self.expected(caller, playlist, change=False)
        if known is None:
            assert answer.status_code == 404
        else:
            found = answer.json()
            assert (found["name"], found["is_owner"]) == (known.name, known.owner == caller)
            assert [track["id"] for track in found["tracks"]] == known.clips
            assert [track["position"] for track in found["tracks"]] == list(range(len(known.clips)))


@pytest.fixture(scope="module")
def clips(stack: Stack) -> list[str]:
    with httpx.Client(base_url=stack.base_url, timeout=120) as client:
        return [made(client, "calm cello", user_id=listener()) for _ in range(4)]


@pytest.mark.usefixtures("nothing_crashes")
@pytest.mark.parametrize("length", LENGTHS)
def test_playlists_behave_like_their_model(stack: Stack, document: Document, clips: list[str], length: Length) -> None:
    explore(lambda: PlaylistMachine(stack, document, clips), length)
