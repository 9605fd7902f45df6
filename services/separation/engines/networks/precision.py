"""Precision of networks on a CPU. This module imports PyTorch."""

import contextlib

import torch


def cpu_has_bfloat16() -> bool:
    """Return whether this CPU computes in bfloat16. Others imitate it, which is slow."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def uses_bfloat16(device: str, cpu_mode: str) -> bool:
    """Return whether a network on ``device`` computes in bfloat16: all CPU modes but "exact" do, if the CPU has it."""
    return device == "cpu" and cpu_mode != "exact" and cpu_has_bfloat16()


def precision(in_bfloat16: bool) -> contextlib.AbstractContextManager[object]:
    """Return a context in which a CPU computes convolutions and products of matrices in bfloat16, or as it does outside."""
    return torch.autocast("cpu", torch.bfloat16) if in_bfloat16 else contextlib.nullcontext()
