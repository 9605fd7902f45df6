"""Hybrid Transformer Demucs with OpenVINO against the same networks with PyTorch."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_demucs_engine import STEMS, Samples, Zoo
from test_demucs_engine import zoo as zoo  # the fixture

from services.separation.engines.demucs import DemucsEngine
from services.separation.engines.demucs.compiled import Mode, export
from services.separation.engines.networks import CpuMode
from tests.models.recordings import ArrayMix, joined, song
from tests.waiting import eventually

pytestmark = pytest.mark.usefixtures("one_thread")

FRAMES = 60_000


@pytest.fixture(scope="module")
def compiled_dir(zoo: Zoo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The networks of ``weighted``, one of which is that of ``htdemucs``. The other one is there in the mode ``mixed`` only."""
    folder = tmp_path_factory.mktemp("compiled")
    networks: tuple[tuple[str, Mode], ...] = (("weighted", "mixed"), ("htdemucs", "fast"))
    for model, mode in networks:
        export(engine(zoo, "exact", None).load_bag(model, "cpu").networks, folder, mode)
    return folder


def engine(zoo: Zoo, mode: CpuMode, compiled_dir: Path | None) -> DemucsEngine:
    return DemucsEngine(model_dir=zoo.folder, thread_count=1, device="cpu", cpu_mode=mode, compiled_dir=compiled_dir)


def separated(engine: DemucsEngine, model: str = "htdemucs", channel_count: int = 2) -> dict[str, Samples]:
    return joined(engine.separate(ArrayMix(song(channel_count, FRAMES)), model))


def agreement_db(expected: dict[str, Samples], actual: dict[str, Samples]) -> float:
    """Return the lowest signal-to-noise ratio of all stems."""
    assert tuple(actual) == tuple(expected) == STEMS
    ratios = [np.square(expected[stem]).sum() / np.square(expected[stem] - actual[stem]).sum() for stem in STEMS]
    return 10 * math.log10(min(ratios))


@pytest.mark.parametrize(
    ("model", "mode", "least_db"), [("htdemucs", "mixed", 55), ("weighted", "mixed", 55), ("htdemucs", "fast", 30)]
)
def test_it_computes_what_pytorch_computes(
    zoo: Zoo, compiled_dir: Path, model: str, mode: CpuMode, least_db: float
) -> None:
    expected = separated(engine(zoo, "exact", None), model)
    compiled = engine(zoo, mode, compiled_dir)
    actual = separated(compiled, model)
    assert {type(network).__name__ for network in compiled.load_bag(model, "cpu").networks} == {"CompiledNetwork"}
    assert least_db < agreement_db(expected, actual) < 140
    assert {stem.shape for stem in actual.values()} == {(2, FRAMES)}


def test_the_same_input_gives_the_same_bits(zoo: Zoo, compiled_dir: Path) -> None:
    first, second = (separated(engine(zoo, "mixed", compiled_dir), channel_count=3) for _ in range(2))
    for stem in STEMS:
        assert first[stem].tobytes() == second[stem].tobytes()


def test_a_network_is_exported_in_the_background_and_then_replaced(zoo: Zoo, tmp_path: Path) -> None:
    exact = separated(engine(zoo, "exact", None))
    exporting = engine(zoo, "mixed", tmp_path / "compiled")
    for stem, samples in separated(exporting).items():
        assert samples.tobytes() == exact[stem].tobytes()
    eventually(lambda: exporting._exports._ended, "the export", seconds=600)
    after = separated(exporting)
    assert any(after[stem].tobytes() != exact[stem].tobytes() for stem in STEMS)
    assert agreement_db(exact, after) > 55
    assert len(list((tmp_path / "compiled").iterdir())) == 1


@pytest.mark.parametrize("damaged", ["network.xml", "network.bin"])
def test_a_damaged_export_is_made_again(
    zoo: Zoo, compiled_dir: Path, tmp_path: Path, damaged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    shutil.copytree(compiled_dir, tmp_path, dirs_exist_ok=True)
    export_count = len(list(tmp_path.iterdir()))
    for path in tmp_path.glob(f"*/{damaged}"):
        path.write_bytes(path.read_bytes()[:1000])
    exporting = engine(zoo, "mixed", tmp_path)
    monkeypatch.setattr(exporting._exports, "begin", lambda model, *_: begun.append(model))
    actual = separated(exporting)
    assert begun == ["htdemucs"]
    assert len(list(tmp_path.iterdir())) == export_count - 1, "the damaged network is still there"
    expected = separated(engine(zoo, "exact", None))
    for stem in STEMS:
        assert actual[stem].tobytes() == expected[stem].tobytes()


def test_openvino_sends_nothing_to_its_developers() -> None:
    script = "from services.separation.engines.networks import exported; import sys\n"
    script += "exported.version(); assert 'openvino' in sys.modules; print(sys.modules['openvino_telemetry'])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "None"
