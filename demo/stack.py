"""Runs a complete stack during a block. See :mod:`soundwright_client.local`."""

from soundwright_client.local import Stack, free_ports, running

__all__ = ["Stack", "free_ports", "running"]
