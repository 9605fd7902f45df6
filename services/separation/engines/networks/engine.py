"""Separation with neural networks, one window at a time. Each engine adds where its networks come from.

The song is never held in memory: a first pass measures the level of the whole recording, unless it is known (:class:`~soundwright.services.separation.upright.Upright`)
where a model needs it, a second pass separates it.
"""

import gc
import importlib.util
import math
import re
import threading
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.services.separation.engines.networks.ahead import Passed, in_order
from soundwright.services.separation.engines.networks.bag import Bag, read_frames
from soundwright.services.separation.engines.networks.batch_size import BatchSize
from soundwright.services.separation.engines.networks.blocks import batches, blocks_at_rate, stems_at_rate
from soundwright.services.separation.engines.networks.shared_batches import Rows, SharedBatches
from soundwright.services.separation.engines.windows import CrossFade, Window, read_windows, triangle
from soundwright.services.separation.service import Engine, Mix, Samples
from soundwright.services.separation.upright import Upright, channel_pairs, with_remainder

CpuMode = Literal["exact", "mixed", "fast"]
GpuMode = Literal["exact", "mixed"]


class NetworkEngine(Engine):
    """Networks behind the Engine Protocol. Safe to use from several threads; loads each model once.

    Args:
        thread_count: CPU threads of one separation; PyTorch's default without it.
        device: ``"cpu"``, ``"cuda"``, ...; without it CUDA if there is a CUDA device.
        batch_size: segments computed at once, halved when memory is short. Without it 1 on a CPU, where more segments need
            more memory and save no time, and as many as fit into the free memory of a GPU, at most 16.
        gpu_mode: ``exact``: a GPU computes in float32. ``mixed``: convolutions and products of matrices in float16.
    """

    adds_up = False

    def __init__(
        self,
        *,
        thread_count: int | None = None,
        device: str | None = None,
        batch_size: int | None = None,
        gpu_mode: GpuMode = "exact",
    ) -> None:
        self._thread_count = thread_count
        self._device = device
        self._gpu_mode = gpu_mode
        self._batch_size = batch_size
        self._lock = threading.Lock()
        self._loaded: dict[str, Bag] = {}

    def is_installed(self) -> bool:
        """Return whether PyTorch is installed. It is not imported, which takes seconds."""
        return importlib.util.find_spec("torch") is not None

    @abstractmethod
    def load_bag(self, model: str, device: str) -> Bag:
        """Return the networks of ``model`` on ``device``. Called once for each model, by one thread at a time.

        Raises ``AppError``: see :meth:`load`.
        """

    def load(self, model: str) -> None:
        """Load the weights of ``model`` into memory and download them if necessary.

        Raises ``MODEL_UNAVAILABLE`` if the weights cannot be found or downloaded, ``CHECKPOINT_UNTRUSTED`` if reading
        them could run code, ``MODEL_UNSUPPORTED`` if this engine cannot run the model, or PyTorch is not installed,
        ``MODEL_UNKNOWN``.
        """
        self._bag(model)

    def unload(self, model: str) -> None:
        """Free the memory of ``model``. Does nothing if it is not loaded."""
        with self._lock:
            if self._loaded.pop(model, None) is not None:
                _free_memory()

    def separate(self, mix: Mix, model: str, stems: Collection[str] | None = None) -> Iterator[Mapping[str, Samples]]:
        """Yield consecutive blocks of the stems at the mix's own rate and channel count; see ``Engine.separate``.

        A mono recording feeds both channels of the model, and the two outputs are averaged. More than two channels are
        separated in pairs. Networks that estimate none of ``stems`` do not run.
        """
        bag = self._bag(model)
        wanted = bag.outputs if stems is None else stems
        bag = bag.only(wanted)
        blocks = self._stems(bag, mix)
        if not bag.remainder:
            return blocks
        whole = with_remainder(blocks, mix, bag.remainder)
        return ({stem: samples for stem, samples in block.items() if stem in wanted} for block in whole)

    def _stems(self, bag: Bag, mix: Mix) -> Iterator[Mapping[str, Samples]]:
        """Yield consecutive blocks of the stems that the networks estimate, as :meth:`separate` does."""
        if mix.frame_count == 0:
            yield bag.empty_block(mix.channel_count)
            return
        pairs = channel_pairs(mix.channel_count, bag.channel_count)
        frame_count = math.ceil(mix.frame_count * bag.sample_rate_hz / mix.sample_rate_hz)

        level = mix if isinstance(mix, Upright) else Upright(mix)
        for _ in level.measured() if bag.is_level_normalised else ():
            yield bag.empty_block(mix.channel_count)
        scales = [level.std(pair) if bag.is_level_normalised else np.float32(1) for pair in pairs]

        def normalised() -> Iterator[Samples]:
            for block in blocks_at_rate(mix, bag.sample_rate_hz, frame_count):
                yield np.concatenate([block[pair] / std for std, pair in zip(scales, pairs, strict=True)])

        def restored(block: Samples) -> Samples:
            """Return the channels of the mix from normalised pairs, in their place."""
            rows = np.split(block, len(pairs))
            for row, std in zip(rows, scales, strict=True):
                row *= std
            outputs = [
                row.mean(axis=0, keepdims=True) if pair[0] == pair[-1] else row
                for row, pair in zip(rows, pairs, strict=True)
            ]
            return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)

        blocks = self._run(bag, normalised(), frame_count, len(pairs) * bag.channel_count)
        stems = ({stem: restored(samples) for stem, samples in block.items()} for block in blocks)
        if bag.sample_rate_hz == mix.sample_rate_hz:
            yield from stems
        else:
            yield from stems_at_rate(stems, bag, mix)

    def _run(
        self, bag: Bag, blocks: Iterator[Samples], frame_count: int, row_count: int
    ) -> Iterator[dict[str, Samples]]:
        """Separate normalised audio, float32 [rows: pairs * channels of the model, frames], at the rate of the model.

        The networks run in other threads, while this one reads the next window and joins the last ones.

        Yields:
            The same rows for every stem; an empty block after each pass of a network, at which the caller may stop.
        """
        hop_frames = int((1 - bag.overlap) * bag.segment_frames)
        fade = CrossFade(triangle(bag.segment_frames), hop_frames, frame_count)
        windows = read_windows(
            blocks,
            frame_count=frame_count,
            window_frames=bag.segment_frames,
            hop_frames=hop_frames,
            read_frames=lambda length: max(read_frames(network, length) for network in bag.networks),
        )

        def estimate(batch: Sequence[Window], passed: Passed) -> tuple[Sequence[Window], Samples]:
            return batch, self._estimate(bag, batch, passed)

        worker_count = min(getattr(network, "concurrent_calls", 1) for network in bag.networks)
        for done in in_order(estimate, batches(windows, lambda: bag.batch_size.limit), worker_count):
            if done is None:
                yield bag.empty_block(row_count)
                continue
            batch, estimates = done
            for each in np.split(estimates, len(batch)):
                by_stem = each.swapaxes(0, 1).reshape(len(bag.stems), row_count, -1)
                yield fade.add(dict(zip(bag.stems, by_stem, strict=True)))

    def _estimate(self, bag: Bag, batch: Sequence[Window], passed: Passed) -> Samples:
        """Return the estimates of all networks for windows of one size, float32 [items, stems, channels, frames]."""
        length = batch[0].frame_count
        items = len(batch) * batch[0].samples.shape[0] // bag.channel_count
        estimates = np.zeros((items, len(bag.stems), bag.channel_count, length), np.float32)
        for network, run, weight in zip(bag.networks, bag.runs, bag.weights, strict=True):
            frames = read_frames(network, length)
            inputs = np.concatenate([w.middle(frames).reshape(-1, bag.channel_count, frames) for w in batch])
            skip = (frames - length) // 2
            done = 0
            for outputs in run(inputs, bag.rows):
                estimates[done : done + len(outputs)] += outputs[..., skip : skip + length] * weight[:, None, None]
                done += len(outputs)
                passed()
        estimates /= bag.weights.sum(axis=0)[:, None, None]
        return estimates

    def _infer(self, device: str, network: Any, size: BatchSize, inputs: Samples, rows: Rows) -> Samples:
        """Return the outputs of a network, float32 [items, stems, channels, frames].

        Args:
            inputs: float32 [items, channels, frames].

        Raises ``OUT_OF_MEMORY``.
        """
        import torch

        # PyTorch keeps the number of threads per calling thread, and callers may change between blocks.
        if self._thread_count is not None and torch.get_num_threads() != self._thread_count:
            torch.set_num_threads(self._thread_count)
        try:
            with torch.inference_mode():
                if device.startswith("cuda"):
                    return self._infer_on_gpu(device, network, size, inputs, rows)
                return _wanted(network, torch.from_numpy(inputs).to(device), rows).cpu().numpy()
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
        raise _out_of_memory()  # not in the except block, where the error keeps the tensors of the failed pass alive

    def _infer_on_gpu(self, device: str, network: Any, size: BatchSize, inputs: Samples, rows: Rows) -> Samples:
        import torch

        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        # From pinned memory, the copy does not wait for the GPU.
        copied = torch.from_numpy(inputs).pin_memory().to(device, non_blocking=True)
        estimates: Samples = self._outputs("cuda", network, copied, rows).cpu().numpy()
        used = torch.cuda.max_memory_allocated(device) - before
        cached = torch.cuda.memory_reserved(device) - before
        size.measured(len(inputs), used, torch.cuda.mem_get_info(device)[0] + cached)
        return estimates

    def _outputs(self, device_type: str, network: Any, inputs: Any, rows: Rows) -> Any:
        """Return the outputs of a network in the precision of a GPU, as float32. What 16 bits cannot hold is computed in 32."""
        import torch

        if self._gpu_mode == "mixed":
            with torch.autocast(device_type, torch.float16):
                outputs = _wanted(network, inputs, rows).float()
            if bool(outputs.isfinite().all()):
                return outputs
        return _wanted(network, inputs, rows)

    def _bag(self, model: str) -> Bag:
        # The first look takes no lock, so that a download of one model does not delay the models in memory.
        loaded = self._loaded.get(model)
        if loaded is not None:
            return loaded
        with self._lock:
            if model not in self._loaded:
                self._loaded[model] = self._load(model)
            return self._loaded[model]

    def _load(self, model: str) -> Bag:
        if not self.is_installed():
            raise errors.MODEL_NOT_INSTALLED(
                f"The model {model!r} needs PyTorch, which is not installed on this server. Install it, or use the model dsp.",
                model=model,
            )
        import torch

        device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
        if device != "cpu":
            if (torch.device(device).index or 0) >= (count := torch.cuda.device_count()):
                raise errors.MODEL_NOT_INSTALLED(
                    f"The model {model!r} cannot run on the device {device!r}: PyTorch finds {count or 'no'} GPU. Set"
                    " SOUNDWRIGHT_SEPARATION_DEVICE=cpu, or install a driver and a PyTorch for the GPU.",
                    model=model,
                )
            # PyTorch computes convolutions with 10 bits of precision unless it is told not to.
            torch.backends.cudnn.allow_tf32 = self._gpu_mode == "mixed"
        bag = self._load_on(device, model)
        outputs = next((each.outputs for each in self.models if each.name == model), bag.outputs)
        if set(bag.outputs) != set(outputs):
            raise errors.MODEL_UNSUPPORTED(
                f"The weights are those of another model than {model!r}: their stems are {', '.join(bag.outputs)}."
                " Import them under a name of their own."
            )
        size = BatchSize(self._batch_size or (1 if bag.device == "cpu" else None))
        runs = tuple(self._run_of(bag.device, network, size) for network in bag.networks)
        return replace(bag, batch_size=size, runs=runs)

    def _load_on(self, device: str, model: str) -> Bag:
        try:
            return self.load_bag(model, device)
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
        raise _out_of_memory()

    def _run_of(self, device: str, network: Any, size: BatchSize) -> Callable[[Samples, Rows], Iterator[Samples]]:
        """Return the function with which separations run a network."""
        infer = partial(self._infer, device, network, size)
        if getattr(network, "concurrent_calls", 1) == 1:
            return SharedBatches(infer, size).run

        def run(inputs: Samples, rows: Rows) -> Iterator[Samples]:
            for each in inputs:
                yield infer(each[None], rows)

        return run


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether PyTorch, or a library of the GPU that it uses, found no memory on the device."""
    import torch

    # CUBLAS_STATUS_ALLOC_FAILED, CUFFT_ALLOC_FAILED, CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED
    return isinstance(error, torch.OutOfMemoryError) or bool(re.search("ALLOC(ATION)?_FAILED", str(error)))


def _out_of_memory() -> AppError:
    """Free the memory that can be freed, and return the error."""
    _free_memory()
    return errors.OUT_OF_MEMORY(
        "The device has too little free memory for this model. Try again in a minute, or use the CPU."
    )


def _free_memory() -> None:
    import torch

    gc.collect()  # networks have cycles
    torch.cuda.empty_cache()


def _wanted(network: Any, inputs: Any, rows: Rows) -> Any:
    if rows is None:
        return network(inputs)
    return network(inputs, rows) if getattr(network, "takes_rows", False) else network(inputs)[:, rows]
