"""The ``spleeter`` engine, with the weights that the installation contains."""

import hashlib
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from soundwright.kit.engines import ModelFile
from soundwright.kit.errors import AppError
from soundwright.kit.packaged_weights import PackagedWeights
from soundwright.services.generation.engines.procedural.render import render_stems
from soundwright.services.generation.engines.procedural.songs import song as procedural_song
from soundwright.services.separation.engines.networks import precision
from soundwright.services.separation.engines.small import SmallEngine
from soundwright.services.separation.engines.small.network import SmallNetwork
from soundwright.services.separation.engines.spleeter import SpleeterEngine, conversion, engine, models
from soundwright.services.separation.service import STEMS, Samples
from tests.models.recordings import ArrayMix, error_db, joined, song

RATE_HZ = 44_100
BOTH = "spleeter-with-small"
NOISE = ArrayMix(song(2, RATE_HZ))
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def spleeter() -> SpleeterEngine:
    return SpleeterEngine(thread_count=1, device="cpu")


@pytest.fixture(scope="module")
def music() -> ArrayMix:
    """A song without vocals, whose instruments are synthetic."""
    stems = render_stems(procedural_song("rock", 6.0), RATE_HZ)
    return ArrayMix(np.sum([stems[stem] for stem in ("drums", "bass", "other")], axis=0, dtype=np.float32))


@pytest.fixture(scope="module")
def alone(spleeter: SpleeterEngine, music: ArrayMix) -> dict[str, Samples]:
    return joined(spleeter.separate(music, "spleeter"))


@pytest.fixture(scope="module")
def exact(spleeter: SpleeterEngine) -> dict[str, Samples]:
    return joined(spleeter.separate(NOISE, BOTH))


def test_instruments_are_no_vocals(music: ArrayMix, alone: dict[str, Samples]) -> None:
    assert np.linalg.norm(alone["vocals"]) < 0.1 * np.linalg.norm(music.samples)


def test_small_separates_what_the_vocals_leave(
    spleeter: SpleeterEngine, music: ArrayMix, alone: dict[str, Samples]
) -> None:
    both = joined(spleeter.separate(music, BOTH))
    assert both["vocals"].tobytes() == alone["vocals"].tobytes()
    small = joined(SmallEngine(thread_count=1, device="cpu").separate(ArrayMix(alone["accompaniment"]), "small"))
    for stem in ("drums", "bass"):
        assert error_db(both[stem], small[stem]) < -20  # small reads other windows and another level here


def test_vocals_alone_do_not_run_small(
    spleeter: SpleeterEngine, exact: dict[str, Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry knows of no other model in memory than the one that it has loaded."""
    monkeypatch.setattr(spleeter, "_loaded", {BOTH: spleeter._loaded[BOTH]})
    monkeypatch.setattr(SpleeterEngine, "load_bag", lambda *_: pytest.fail("another model was loaded"))
    monkeypatch.setattr(SmallNetwork, "forward", lambda *_: pytest.fail("small ran"))
    vocals = joined(spleeter.separate(NOISE, BOTH, ("vocals",)))["vocals"]
    assert vocals.tobytes() == exact["vocals"].tobytes()


def test_windows_of_any_length_agree(
    music: ArrayMix, alone: dict[str, Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_WINDOW_FRAMES", engine._WINDOW_FRAMES // 2)
    many = joined(SpleeterEngine(thread_count=1, device="cpu").separate(music, "spleeter"))
    assert error_db(many["accompaniment"], alone["accompaniment"]) < -40


@pytest.mark.parametrize("has_bfloat16", [True, False])
def test_sixteen_bits_agree_where_the_cpu_has_them(
    exact: dict[str, Samples], monkeypatch: pytest.MonkeyPatch, has_bfloat16: bool
) -> None:
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: has_bfloat16)
    mixed = joined(SpleeterEngine(cpu_mode="mixed", thread_count=1, device="cpu").separate(NOISE, BOTH))
    worst_db = max(error_db(NOISE.samples + mixed[stem] - exact[stem], NOISE.samples) for stem in STEMS)
    assert worst_db < -45
    assert (worst_db > -100) == has_bfloat16


def test_damaged_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "spleeter.safetensors"
    monkeypatch.setattr(PackagedWeights, "path", copy)
    monkeypatch.setattr(PackagedWeights, "package_files", lambda _: None)
    assert not SpleeterEngine().is_present("spleeter")
    with pytest.raises(AppError, match="MODEL_UNAVAILABLE"):
        SpleeterEngine(device="cpu").load("spleeter")
    copy.write_bytes(b"something else")
    with pytest.raises(AppError, match="WEIGHTS_CHANGED"):
        SpleeterEngine(device="cpu").load(BOTH)


@pytest.mark.parametrize("is_torn", [False, True])
def test_the_files_of_the_package_become_the_declared_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_torn: bool
) -> None:
    """The first load writes them, and a later one replaces what a loss of power left of them."""
    target = tmp_path / "share" / "spleeter.safetensors"
    monkeypatch.setattr(PackagedWeights, "path", target)
    if is_torn:
        target.parent.mkdir()
        target.write_bytes(bytes(1000))
    assert SpleeterEngine().is_present("spleeter")
    SpleeterEngine(device="cpu").load("spleeter")
    (file,) = models.SPLEETER.files
    assert (target.stat().st_size, target.stat().st_mode & 0o777) == (file.size_bytes, 0o644)
    assert [path.name for path in target.parent.iterdir()] == [file.name]


def test_weights_that_cannot_be_kept_are_converted_at_each_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = {"weight": np.ones(2, np.float32)}
    content = safetensors.numpy.save(arrays)
    file = ModelFile(name="tiny.safetensors", sha256=hashlib.sha256(content).hexdigest())
    weights = PackagedWeights(
        model="tiny", file=file, package="numpy", folder="numpy", sources=(), read=lambda _contents: arrays
    )
    (tmp_path / "file").touch()
    monkeypatch.setattr(PackagedWeights, "path", tmp_path / "file" / "in-no-folder")
    for _ in range(2):
        assert weights.content() == content


class Hostile:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("touched"),)


def test_a_pickle_cannot_call_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pickle.UnpicklingError, match="is not part of an array"):
        conversion.read_arrays(saved({"weight": Hostile()}))
    with pytest.raises(pickle.UnpicklingError, match="eval is not part of an array"):
        conversion.read_arrays(saved({"weight": eval}))
    assert list(tmp_path.iterdir()) == []
    for state in ((1, (2,), np.dtype("O"), False, [1]), (1, (2,), np.dtype("f4"), False, b"four")):
        with pytest.raises((pickle.UnpicklingError, ValueError), match=r"O8 is not part|reshape"):
            conversion.read_arrays(saved({"weight": Lying(state)}))
    with pytest.raises(pickle.UnpicklingError, match="not a dictionary of arrays"):
        conversion.read_arrays(saved({"weight": 1.0}))


class Lying:
    """Pickled as an array whose parts do not fit together. NumPy itself reads memory that is not there."""

    def __init__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def __reduce__(self) -> Any:
        return np._core.multiarray._reconstruct, (np.ndarray, (0,), "b"), self.state  # type: ignore[attr-defined]


def saved(content: object) -> bytes:
    """Return a file as ``torch.save`` writes it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        # The module has the name that it had in the version of NumPy that wrote the package.
        data = pickle.dumps(content, protocol=2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
        archive.writestr("some/data.pkl", data)
    return file.getvalue()
