"""What computes."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """A graphics processor, as it is now."""

    name: str
    memory_used_bytes: int
    memory_total_bytes: int


def cuda_device(name: str) -> Device | None:
    """The CUDA device that PyTorch uses in this process; None where there is none, or nothing uses PyTorch.

    Args:
        name: as PyTorch writes it; empty: the current one.
    """
    torch = sys.modules.get("torch")  # importing it for this alone costs seconds and hundreds of MB
    if torch is None or name.startswith("cpu") or not torch.cuda.is_available():
        return None
    free, total = torch.cuda.mem_get_info(name or None)
    return Device(torch.cuda.get_device_name(name or None), total - free, total)
