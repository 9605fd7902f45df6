"""Hybrid Transformer Demucs with OpenVINO against the same networks with PyTorch."""

import math
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_demucs_engine import STEMS, Samples, Zoo
from test_demucs_engine import zoo as zoo  # the fixture

from soundwright.services.separation.engines.demucs import DemucsEngine
from soundwright.services.separation.engines.demucs import engine as demucs_engine
from soundwright.services.separation.engines.demucs.exports import export_model
from soundwright.services.separation.engines.networks import CpuMode
from tests.models.recordings import ArrayMix, joined, song

pytestmark = pytest.mark.usefixtures("one_thread")

FRAMES = 40_000


@dataclass
class Exported:
    folder: Path
    begun: list[str]
    engines: list[DemucsEngine]


@pytest.fixture(scope="module")
def exported(zoo: Zoo, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A bag whose second network can be exported: that of ``htdemucs``. Two engines load it at the same time."""
    (zoo.folder / "bag.yaml").write_text("models: ['spectral', 'plain']\n")
    folder, begun = tmp_path_factory.mktemp("compiled"), list[str]()

    def counted(model: str, *task: Any) -> None:
        begun.append(model)
        export_model(model, *task)

    engines = [engine(zoo, "mixed", folder) for _ in range(2)]
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(demucs_engine, "export_model", counted)
        list(pool.map(lambda each: each.load("bag"), engines))
    return Exported(folder, begun, engines)


@pytest.fixture
def compiled_dir(exported: Exported) -> Path:
    return exported.folder


def engine(zoo: Zoo, mode: CpuMode, compiled_dir: Path | None) -> DemucsEngine:
    return DemucsEngine(model_dir=zoo.folder, thread_count=1, device="cpu", cpu_mode=mode, compiled_dir=compiled_dir)


def separated(engine: DemucsEngine, model: str = "htdemucs", channel_count: int = 2) -> dict[str, Samples]:
    return joined(engine.separate(ArrayMix(song(channel_count, FRAMES)), model))


def agreement_db(expected: dict[str, Samples], actual: dict[str, Samples]) -> float:
    """Return the lowest signal-to-noise ratio of all stems."""
    assert tuple(actual) == tuple(expected) == STEMS
    ratios = [np.square(expected[stem]).sum() / np.square(expected[stem] - actual[stem]).sum() for stem in STEMS]
    return 10 * math.log10(min(ratios))


def test_it_computes_what_pytorch_computes(zoo: Zoo, exported: Exported) -> None:
    expected = separated(engine(zoo, "exact", None), "bag")
    actual = separated(exported.engines[0], "bag")
    assert 55 < agreement_db(expected, actual) < 140
    assert {stem.shape for stem in actual.values()} == {(2, FRAMES)}


def test_the_same_input_gives_the_same_bits(zoo: Zoo, compiled_dir: Path) -> None:
    first, second = (separated(engine(zoo, "mixed", compiled_dir), channel_count=3) for _ in range(2))
    for stem in STEMS:
        assert first[stem].tobytes() == second[stem].tobytes()


def test_a_model_is_exported_once_however_many_engines_load_it_at_the_same_time(exported: Exported) -> None:
    assert exported.begun == ["bag"]
    networks = [network for each in exported.engines for network in each.load_bag("bag", "cpu").networks]
    assert [type(network).__name__ for network in networks] == ["HDemucs", "CompiledNetwork"] * 2


def test_pytorch_computes_what_cannot_be_exported(zoo: Zoo, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    exporting = engine(zoo, "mixed", tmp_path / "file")
    exact = separated(engine(zoo, "exact", None))
    for stem, samples in separated(exporting).items():
        assert samples.tobytes() == exact[stem].tobytes()


@pytest.mark.parametrize("damaged", ["network.xml", "network.bin"])
def test_a_damaged_export_is_made_again(
    zoo: Zoo, compiled_dir: Path, tmp_path: Path, damaged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    shutil.copytree(compiled_dir, tmp_path, dirs_exist_ok=True)
    (tmp_path / "another").mkdir()
    for path in tmp_path.glob(f"*/{damaged}"):
        path.write_bytes(path.read_bytes()[:1000])
    monkeypatch.setattr(demucs_engine, "export_model", lambda model, *_: begun.append(model))
    actual = separated(engine(zoo, "mixed", tmp_path))
    assert begun == ["htdemucs"]
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["another"], "the damaged network is still there"
    expected = separated(engine(zoo, "exact", None))
    for stem in STEMS:
        assert actual[stem].tobytes() == expected[stem].tobytes()


def test_openvino_sends_nothing_to_its_developers() -> None:
    script = "from soundwright.kit import compiled_model; import sys\n"
    script += "compiled_model.version(); assert 'openvino' in sys.modules; print(sys.modules['openvino_telemetry'])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "None"
