"""Which manifests say what, and what is refused where."""

import json
from pathlib import Path
from typing import Any

import pytest

from soundwright.kit.errors import AppError, Code
from soundwright.services.separation.edits import CURVES, KINDS, Edit
from soundwright.services.separation.mixing import FORMATS, MixedStem, MixSpec, parse_manifest

FILES = ["vocals.wav", "beat.flac"]
STORED = ["drums", "bass", "other", "vocals"]


def parsed(manifest: Any, uploads: list[str] = FILES, stored: list[str] = STORED) -> MixSpec:
    return parse_manifest(manifest if isinstance(manifest, str) else json.dumps(manifest), uploads, stored)


def refused(manifest: Any, uploads: list[str] = FILES, stored: list[str] = STORED) -> dict[str, list[str]]:
    with pytest.raises(AppError) as caught:
        parsed(manifest, uploads, stored)
    assert (caught.value.code, caught.value.reason) == (Code.UNPROCESSABLE, "VALIDATION_ERROR")
    details: dict[str, list[str]] = caught.value.meta["details"]
    return details


def sources(spec: MixSpec) -> list[int]:
    return [stem.source for stem in spec.stems]


@pytest.mark.parametrize("manifest", ["", " \n", {}, {"version": 1}, {"version": 1.0, "stems": []}, {"stems": None}])
def test_without_a_list_all_uploads_or_else_all_stored_stems_are_mixed_as_they_are(manifest: Any) -> None:
    assert parsed(manifest) == MixSpec((MixedStem(0), MixedStem(1)))
    assert parsed(manifest, []) == MixSpec(tuple(map(MixedStem, range(4))))


def test_everything_that_can_be_said_is_understood() -> None:
    entry = {
        "index": 0, "name": "Lead", "volume": 0.5, "pan": -0.25, "mute": False, "solo": True,
        "edits": [
            {"type": "crop", "params": {"start_ms": 10, "end_ms": 5000.5}},
            {"type": "trim", "params": {"start_ms": 1, "end_ms": 2}},
            {"type": "split", "params": {"position_sec": 1.5}},
            {"type": "split", "params": {"position_ms": 250, "part": 1}},
            {"type": "fade_in"},
            {"type": "fade_out", "params": {"start_ms": 5, "duration_ms": 20, "curve": "equal-power", "part": 2}},
            {"type": "gain", "params": {"level": 0.25, "end_ms": 9}},
            {"type": "gain", "params": {"level_db": -20}},
        ],
    }  # fmt: skip
    spec = parsed(
        {"version": 1, "sample_rate": 48000, "format": "wav24", "speed": 0.5, "semitones": -3, "stems": [entry]}
    )
    assert (spec.speed, spec.semitones) == (0.5, -3)
    assert spec.sample_rate_hz == 48000
    assert spec.format == "wav24"
    assert sources(spec) == [0, 1]
    edits = (
        Edit("crop", 10, 5000.5), Edit("trim", 1, 2), Edit("split", 1500), Edit("split", 250, part=1),
        Edit("fade_in", duration_ms=3000), Edit("fade_out", 5, duration_ms=20, part=2, curve="equal-power"),
        Edit("gain", None, 9, level=0.25), Edit("gain", level=pytest.approx(0.1)),
    )  # fmt: skip
    assert spec.stems[0] == MixedStem(source=0, volume=0.5, pan=-0.25, solo=True, edits=edits)


@pytest.mark.parametrize(
    ("entry", "source"),
    [
        ({"index": 1}, 1),
        ({"name": "beat.flac"}, 1),
        ({"name": "beat"}, 1),
        ({"name": "vocals"}, 0),  # the uploaded one
        ({"name": "drums"}, 2),
        ({"index": 1, "name": "drums"}, 1),
        ({"name": "1"}, 1),
    ],
)
def test_stems_are_named_by_index_file_or_stored_stem(entry: dict[str, Any], source: int) -> None:
    (named,) = [stem for stem in parsed({"stems": [{**entry, "volume": 0.5}]}).stems if stem.volume == 0.5]
    assert named.source == source


def test_uploads_always_take_part_and_stored_stems_where_they_are_listed() -> None:
    assert sources(parsed({"stems": [{"name": "bass"}]})) == [3, 0, 1]
    assert sources(parsed({"stems": [{"name": "bass"}, {"name": "drums"}]}, [])) == [1, 0]
    # Without files an index counts stored stems, unless a name says which one is meant.
    assert sources(parsed({"stems": [{"index": 3}, {"index": 0, "name": "other"}]}, [])) == [3, 2]


def test_objects_by_stem_fill_in_what_entries_leave_open() -> None:
    spec = parsed(
        {
            "stems": [{"index": 0, "pan": 1}],
            "volumes": {"vocals": 0.5, "beat.flac": 2},
            "pans": {"1": -1},
            "edits": {"0": [{"type": "gain", "params": {"level": 2}}]},
        }
    )
    assert spec.stems == (
        MixedStem(0, volume=0.5, pan=1, edits=(Edit("gain", level=2),)),
        MixedStem(1, volume=2, pan=-1),
    )


# "b" is muted and solo: it is silent, and the others are not solo.
@pytest.mark.parametrize(
    ("flags", "heard"),
    [("...", "yyy"), ("m..", "nyy"), (".s.", "nyn"), ("ss.", "yyn"), ("ms.", "nyn"), ("b..", "nnn"), ("mmm", "nnn")],
)
def test_mute_and_solo(flags: str, heard: str) -> None:
    entries = [{"index": i, "mute": flag in "mb", "solo": flag in "sb"} for i, flag in enumerate(flags)]
    spec = parsed({"stems": entries}, ["a", "b", "c"])
    assert "".join("y" if spec.heard(stem) else "n" for stem in spec.stems) == heard


def edit(kind: Any, **params: Any) -> dict[str, Any]:
    return {"stems": [{"index": 1}, {"index": 0, "edits": [{"type": "gain", "params": {"level": 1}}, {"type": kind, "params": params}]}]}  # fmt: skip


def stem(**fields: Any) -> dict[str, Any]:
    return {"stems": [{"index": 0, **fields}]}


PARAMS = "stems[1].edits[1].params"
REFUSALS: list[tuple[Any, str]] = [
    *((manifest, "manifest") for manifest in ("{", "nonsense", "[" * 100_000, '{"version": NaN}', "[]", '"text"')),
    *(({"version": version}, "version") for version in (2, "1")),
    *(({"sample_rate": rate}, "sample_rate") for rate in (44100.5, 4000, True)),
    *(({"format": name}, "format") for name in ("ogg", ["wav16"])),
    ({"colour": 1}, "colour"),
    *(({"stems": stems}, "stems") for stems in ({}, [{}] * 65, [{"index": i} for i in range(7)])),
    *(({"stems": stems}, "stems[0]") for stems in (["vocals"], [{}])),
    *(({"stems": [{"index": index}]}, "stems[0].index") for index in (2, -1, True, "0")),
    *(({"stems": [{"name": name}]}, "stems[0].name") for name in (3, "guitar", "../vocals")),
    ({"stems": [{"index": 0}, {"name": "vocals"}]}, "stems[1]"),
    *((stem(volume=volume), "stems[0].volume") for volume in (2.01, -0.1, "1")),
    *((f'{{"stems": [{{"index": 0, "volume": {text}}}]}}', "stems[0].volume") for text in ("1e999", "1" + "0" * 400)),
    *((stem(pan=pan), "stems[0].pan") for pan in (1.5, False)),
    *((stem(**{name: value}), f"stems[0].{name}") for name, value in (("mute", 1), ("solo", "yes"), ("voulme", 1))),
    *((stem(edits=edits), "stems[0].edits") for edits in ({}, [{"type": "crop"}] * 257)),
    (stem(edits=["crop"]), "stems[0].edits[0]"),
    *((stem(edits=[{"type": "crop", name: 5}]), f"stems[0].edits[0].{name}") for name in ("params", "when")),
    (edit("pitch_shift", semitones=2), "stems[1].edits[1].type"),
    *((edit(kind), "stems[1].edits[1].type") for kind in (None, ["crop"])),
    *((edit("crop", start_ms=start), f"{PARAMS}.start_ms") for start in (-1, "0")),
    (edit("crop", start_ms=10, end_ms=10), f"{PARAMS}.end_ms"),
    (edit("crop", end_ms=86_400_001), f"{PARAMS}.end_ms"),
    (edit("crop", from_ms=1), f"{PARAMS}.from_ms"),
    (edit("trim", start_ms=1), f"{PARAMS}.end_ms"),
    (edit("trim", end_ms=1), f"{PARAMS}.start_ms"),
    *((edit("gain", **levels), f"{PARAMS}.level") for levels in ({}, {"level": 1, "level_db": 0}, {"level": 4.1})),
    (edit("gain", level_db=13), f"{PARAMS}.level_db"),
    (edit("fade_in", curve="exponential"), f"{PARAMS}.curve"),
    (edit("fade_in", duration_ms=-1), f"{PARAMS}.duration_ms"),
    (edit("fade_out", start_ms=0, end_ms=100, duration_ms=50), f"{PARAMS}.duration_ms"),
    *((edit("split", **times), f"{PARAMS}.position_ms") for times in ({}, {"position_ms": 1, "position_sec": 1})),
    *((edit("crop", part=part), f"{PARAMS}.part") for part in (1, 0.5)),
    ({"volumes": [1, 1]}, "volumes"),
    ({"volumes": {"vocals": 3}}, "volumes.vocals"),
    *(({"volumes": {name: 1}}, f"volumes.{name}") for name in ("guitar", "drums")),  # drums are stored, and not listed
    ({"volumes": {"vocals": 1, "0": 1}}, "volumes.0"),
    ({**stem(volume=1), "volumes": {"vocals": 1}}, "volumes.vocals"),
    ({"pans": {"beat": "left"}}, "pans.beat"),
    ({"edits": {"beat": [{"type": "trim", "params": {"start_ms": 4, "end_ms": 2}}]}}, "edits.beat[0].params.end_ms"),
    ({"edits": {"beat": {}}}, "edits.beat"),
]


@pytest.mark.parametrize(("manifest", "path"), REFUSALS, ids=[f"{i}-{path}" for i, (_, path) in enumerate(REFUSALS)])
def test_what_does_not_fit_is_named_by_its_path(manifest: Any, path: str) -> None:
    assert list(refused(manifest)) == [path]


def test_all_that_does_not_fit_is_named_at_once() -> None:
    manifest = {"format": "ogg", "stems": [{"index": 0, "pan": 2, "volume": 9}]}
    assert set(refused(manifest)) == {"format", "stems[0].pan", "stems[0].volume"}
    assert list(refused("", [], [])) == ["stems"]


def test_an_ambiguous_name_is_refused() -> None:
    assert list(refused({"stems": [{"name": "a"}]}, ["a.wav", "a.flac"])) == ["stems[0].name"]
    assert sources(parsed({"stems": [{"name": "a.flac"}]}, ["a.wav", "a.flac"])) == [1, 0]


SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "daw-manifest.schema.json").read_text())


def test_the_schema_has_the_words_that_the_rules_know() -> None:
    kinds = {edit["properties"]["type"]["const"]: edit for edit in SCHEMA["properties"]["edits"]["additionalProperties"]["items"]["oneOf"]}  # fmt: skip
    assert tuple(kinds) == KINDS
    assert tuple(kinds["fade_in"]["properties"]["params"]["properties"]["curve"]["enum"]) == CURVES
    assert tuple(SCHEMA["properties"]["format"]["enum"]) == FORMATS


def bounds(schema: dict[str, Any], path: str = "") -> list[tuple[str, float]]:
    """A value just outside of each range that the schema gives a field of a stem or an edit."""
    found = []
    for name, field in schema["properties"].items():
        if field.get("type") == "number":
            found += [(f"{path}{name}", field["minimum"] - 0.5), (f"{path}{name}", field["maximum"] + 0.5)]
    return found


def test_the_schema_has_the_ranges_that_the_rules_have() -> None:
    stem = SCHEMA["properties"]["stems"]["items"]
    checked = 0
    for name, value in bounds(SCHEMA):
        assert name in refused({name: value})
        checked += 1
    for name, value in bounds(stem):
        assert f"stems[0].{name}" in refused({"stems": [{"index": 0, name: value}]})
        checked += 1
    for kind in stem["properties"]["edits"]["items"]["oneOf"]:
        for name, value in bounds(kind["properties"]["params"]):
            edit = {"type": kind["properties"]["type"]["const"], "params": {name: value}}
            assert f"stems[0].edits[0].params.{name}" in refused({"stems": [{"index": 0, "edits": [edit]}]})
            checked += 1
    assert checked == 2 * (2 + 2 + 2 + 2 + 2 + 3 + 3 + 4)
