"""Networks that OpenVINO computes on a CPU. Only this module and ``exported`` of separation know OpenVINO. https://docs.openvino.ai"""

import contextlib
import functools
import importlib.util
import io
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray


def is_installed() -> bool:
    """Return whether OpenVINO is installed. There are packages for the common processors only."""
    return importlib.util.find_spec("openvino") is not None


def version() -> str:
    """Return the version of OpenVINO. Other versions may not read what this version exports."""
    return str(openvino().__version__)


def openvino() -> Any:
    # Importing OpenVINO sends a message to its developers, unless their package for that cannot be imported.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


@functools.cache
def _core() -> Any:
    # One for each process: a second one can crash it (https://github.com/ultralytics/ultralytics/pull/25864).
    return openvino().Core()


class CompiledModel:
    """A network, ready to run. Safe to use from several threads, which wait for each other.

    Args:
        network: a file of OpenVINO, or the content of an ONNX file. A processor without bfloat16 computes all of it in float32.
        thread_count: CPU threads; None: all cores.
        input_shape: shape of the input, for a network that leaves it open.

    Raises ``RuntimeError``: the network is damaged.
    """

    concurrent_calls = 2
    """Callers that do not wait for each other outside the computation: one reads its outputs while the other computes."""

    def __init__(
        self, network: Path | bytes, thread_count: int | None = None, input_shape: Sequence[int] | None = None
    ) -> None:
        options: dict[str, Any] = {"NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False, "INFERENCE_PRECISION_HINT": "f32"}
        if thread_count is not None:
            options["INFERENCE_NUM_THREADS"] = thread_count
        model = _core().read_model(io.BytesIO(network) if isinstance(network, bytes) else network)
        if input_shape is not None:
            model.reshape(list(input_shape))
        self._model = _core().compile_model(model, "CPU", options)
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
