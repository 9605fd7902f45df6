"""``make models`` and the files that are generated from the declarations of models."""

import dataclasses
from pathlib import Path

import pytest

from dev.tools import models_doc
from soundwright.kit.engines import NONE_STATED, Engine, EngineRegistry, ModelDeclaration, ModelFile
from soundwright.kit.errors import AppError, Code
from soundwright.services import models

WEIGHTS = ModelDeclaration(
    name="net", description="A network", architecture="Net", outputs=("a",), code_licence="MIT", weights_licence="MIT", needs_weights=True, source="somebody/net",
    files=(ModelFile(name="net.safetensors", size_bytes=84_000_000),),
)  # fmt: skip
RULES = ModelDeclaration(
    name="rules", description="Rules", architecture="Rules", outputs=("a",), code_licence="MIT", needs_weights=False
)


class Shelf(Engine):
    """An engine whose weights are present or missing."""

    name = "shelf"
    models: tuple[ModelDeclaration, ...] = (WEIGHTS, RULES)

    def __init__(self) -> None:
        self.present = False
        self.fails = False
        self.calls: list[str] = []

    def is_present(self, model: str) -> bool:
        return self.present or model == "rules"

    def load(self, model: str) -> None:
        self.calls.append(f"load {model}")
        if self.fails:
            raise AppError(Code.NOT_PROVISIONED, "MODEL_UNAVAILABLE", "The hub has no such file.")

    def unload(self, model: str) -> None:
        self.calls.append(f"unload {model}")


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    engine = Shelf()
    registry: EngineRegistry[Engine] = EngineRegistry()
    registry.register(engine)
    monkeypatch.setattr(models, "build_registries", lambda: {"test": registry})
    monkeypatch.setattr(models, "require_hub", lambda: None)
    return engine


def test_missing_weights_are_listed_and_downloaded(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert models.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "model  licence  size   weights     source",
        "net    MIT      84 MB  missing     somebody/net",
        "rules  MIT      none   not needed  built in",
        "net: ready",
    ]
    assert shelf.calls == ["load net", "unload net"]


def test_an_unreachable_hub_is_one_sentence(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise ConnectionError("The model hub cannot be reached.")

    monkeypatch.setattr(models, "require_hub", refuse)
    assert models.main(["net"]) == 1
    assert capsys.readouterr().err == "The model hub cannot be reached.\n"
    assert shelf.calls == []
    shelf.present = True  # nothing to download: the hub is not needed
    assert models.main(["net"]) == 0
    assert shelf.calls == ["load net", "unload net"]


def test_a_model_that_cannot_be_loaded_fails_the_command(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    shelf.fails = True
    assert models.main([]) == 1
    assert capsys.readouterr().err == "net: The hub has no such file.\n"


def test_unknown_names_are_refused_with_the_known_ones(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert models.main(["giant"]) == 1
    assert capsys.readouterr().err == "There is no model 'giant'. Use one of: net, rules.\n"


def test_weights_without_a_licence_are_left_out_until_somebody_allows_them(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_DATA_DIR", str(tmp_path))
    note = "For science: https://example.org/licence"
    shelf.models = (dataclasses.replace(WEIGHTS, weights_licence=NONE_STATED, licence_note=note), RULES)

    def registry(*allowed: str) -> dict[str, EngineRegistry[Engine]]:
        made: EngineRegistry[Engine] = EngineRegistry(unlicensed=frozenset(allowed))
        made.register(shelf)
        return {"test": made}

    monkeypatch.setattr(models, "build_registries", registry)
    assert models.main([]) == 0
    assert "nobody has allowed them" in capsys.readouterr().err
    assert models.main(["net"]) == 1  # nobody is at the terminal to answer
    told = capsys.readouterr().out
    assert all(fact in told for fact in ("84 MB from somebody/net", "none stated", note, "ACCEPT=1"))
    assert (shelf.calls, list(tmp_path.iterdir())) == ([], [])

    for arguments, question in ((["--accept", "net"], True), (["net"], False)):  # asked once
        assert models.main(arguments) == 0
        assert (note in capsys.readouterr().out) is question
        assert shelf.calls == ["load net", "unload net"]
        shelf.calls.clear()
    assert models.main(["--withdraw", "net"]) == 0
    assert capsys.readouterr().out.startswith("net: withdrawn")
    assert models.main(["net"]) == 1
    monkeypatch.setenv("SOUNDWRIGHT_DATA_DIR", str(tmp_path / "other"))
    assert models.main(["net"]) == 1
    assert models.main(["--withdraw", "net"]) == 0
    assert capsys.readouterr().out.endswith("net: nobody has allowed it here\n")
    assert models.main(["--withdraw"]) == 1
    assert "MODEL=htdemucs WITHDRAW=1" in capsys.readouterr().err
    monkeypatch.setattr(models, "build_registries", lambda: registry("net"))
    assert models.main(["net"]) == 0
    assert shelf.calls == ["load net", "unload net"]


def test_the_document_has_a_row_for_every_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDWRIGHT_GENERATION_CHECKPOINTS", '{"music": "somebody/else"}')  # not read
    files = models_doc.generate()
    lines = files[models_doc.DOCUMENT].splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| `") and line.count(" | ") == 12]
    by_name = {row[0].strip("| `"): row for row in rows}
    assert len(rows) == len(by_name) == sum(len(r.declarations()) for r in models.build_registries().values())
    assert by_name["htdemucs_6s"][4] == "drums, bass, other, vocals, guitar, piano"
    repository = "[facebook/musicgen-small](https://huggingface.co/facebook/musicgen-small)"
    assert by_name["music"][7:9] == ["CC-BY-NC-4.0", repository]
    assert by_name["composer"][5] == "44100 Hz"
    assert 'MODELS = ("music", "audio", "magnet-music", "magnet-audio")' in files[models_doc.NAMES]
