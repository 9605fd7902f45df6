"""Files of models from the Hugging Face hub, or from its cache."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

__all__ = ["hub_file", "is_cached"]

PROBE_SECONDS = 8.0


def hub_file(repository: str, filename: str) -> Path:
    """A file of a repository of the hub, from the cache if it is there; ``huggingface_hub``'s standard variables
    (``HF_HOME``, ``HF_HUB_OFFLINE``, ``HF_ENDPOINT``) apply.

    A cached file costs no network traffic. Without a network this fails within ``PROBE_SECONDS``.

    Raises:
        Exception: in many kinds, if the file is not cached and the hub cannot be reached or does not have it.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(repository, filename, local_files_only=True))
    except LocalEntryNotFoundError:
        # Downloads retry for half a minute, and a resolver may take longer: ask once, with a deadline, before.
        url = hf_hub_url(repository, filename)
        _within(PROBE_SECONDS, lambda: get_hf_file_metadata(url, timeout=PROBE_SECONDS / 2))
        return Path(hf_hub_download(repository, filename))


def is_cached(repository: str, filename: str) -> bool:
    """Whether :func:`hub_file` would find the file without the network."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(repository, filename), str)


def _within(seconds: float, function: Callable[[], object]) -> None:
    """Run ``function`` and raise what it raises, or ``TimeoutError`` when it takes longer; it is then left alone."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="hub-probe", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"No answer within {seconds} seconds.")
    if errors:
        raise errors[0]
