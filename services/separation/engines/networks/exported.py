"""Networks that OpenVINO computes on a CPU. The only module that knows OpenVINO.

A network is exported once on a machine, which takes half a minute and about three times its memory, and compiled at each
start, which takes seconds. An exported network is a folder. https://docs.openvino.ai
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import importlib.util
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kit.scratch import process_folder

if TYPE_CHECKING:
    from torch import Tensor, nn

_FILE = "network.xml"
_LOCK = ".lock"


def is_installed() -> bool:
    """Return whether OpenVINO is installed. There are packages for the common processors only."""
    return importlib.util.find_spec("openvino") is not None


def version() -> str:
    """Return the version of OpenVINO. Other versions may not read what this version exports."""
    return str(_openvino().__version__)


def _openvino() -> Any:
    # Importing OpenVINO sends a message to its developers, unless their package for that cannot be imported.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


@functools.cache
def _core() -> Any:
    # One for each process: a second one can crash it (https://github.com/ultralytics/ultralytics/pull/25864).
    return _openvino().Core()


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Wait until no other process of this machine exports networks to ``folder``, and keep others waiting inside the block.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def export(module: nn.Module, examples: tuple[Tensor, ...], folder: Path) -> None:
    """Write a folder with an exported network. The folder appears at once, complete.

    Args:
        module: the network, on the CPU. Where its tensors have bfloat16, it computes in bfloat16.
        examples: its inputs. The exported network accepts inputs of these shapes only.
        folder: does nothing if it exists.
    """
    if folder.exists():
        return
    openvino = _openvino()
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

    # The fused attention layers of PyTorch cannot be exported.
    torch.backends.mha.set_fastpath_enabled(False)
    frontend = FrontEndManager().load_by_framework("pytorch")
    with process_folder(folder.parent) as draft:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch and OpenVINO warn of each other's ways
            program = torch.export.export(module.eval(), examples, strict=False)
            # A variable, because the frontend holds no reference.
            decoder = TorchFXPythonDecoder.from_exported_program(program, dynamic_shapes=False)
            model = frontend.convert(frontend.load(decoder))
        shapes = [openvino.PartialShape(list(example.shape)) for example in examples]
        model.reshape(dict(zip(model.inputs, shapes, strict=True)))
        openvino.save_model(model, draft / _FILE, compress_to_fp16=False)
        if not folder.exists():
            draft.rename(folder)


class CompiledModel:
    """An exported network, ready to run. Safe to use from several threads, which wait for each other.

    Args:
        folder: an exported network. A processor without bfloat16 computes all of it in float32.
        thread_count: CPU threads; None: all cores.

    Raises:
        RuntimeError: a file of the folder is damaged.
    """

    concurrent_calls = 2
    """Callers that do not wait for each other outside the computation: one reads its outputs while the other computes."""

    def __init__(self, folder: Path, thread_count: int | None) -> None:
        options: dict[str, Any] = {"NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False, "INFERENCE_PRECISION_HINT": "f32"}
        if thread_count is not None:
            options["INFERENCE_NUM_THREADS"] = thread_count
        self._model = _core().compile_model(folder / _FILE, "CPU", options)
        self._lock = threading.Lock()
        # Each has outputs of its own, so that a caller reads those of one while the other runs.
        self._requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.concurrent_calls):
            self._requests.put(self._model.create_infer_request())

    @contextlib.contextmanager
    def run(self, inputs: Sequence[NDArray[np.float32]], *, keep_memory: bool) -> Iterator[list[NDArray[np.float32]]]:
        """Provide the outputs for these inputs inside the block.

        Args:
            keep_memory: whether the memory for intermediate results is kept for the next run.
        """
        request = self._requests.get()
        try:
            with self._lock:
                outputs = request.infer(list(inputs), share_inputs=True, share_outputs=True)
                if not keep_memory:
                    self._model.release_memory()
            yield list(outputs.values())
        finally:
            self._requests.put(request)
