"""Model files from the Hugging Face hub and its cache."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

__all__ = ["cached_file", "hub_file", "require_hub"]

PROBE_SECONDS = 8.0


def hub_file(repository: str, filename: str) -> Path:
    """Return a file of a hub repository, from the cache if it is there, and download it otherwise.

    The standard variables of ``huggingface_hub`` (``HF_HOME``, ``HF_HUB_OFFLINE``, ``HF_ENDPOINT``) apply.

    A cached file costs no network traffic. Without a network this fails within ``PROBE_SECONDS``.

    Raises:
        Exception: of many types, if the file is not cached and the hub cannot be reached or does not have it.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(repository, filename, local_files_only=True))
    except LocalEntryNotFoundError:
        # Downloads retry for half a minute and a resolver may take longer, so ask once with a deadline first.
        url = hf_hub_url(repository, filename)
        _within(PROBE_SECONDS, lambda: get_hf_file_metadata(url, timeout=PROBE_SECONDS / 2))
        return Path(hf_hub_download(repository, filename))


def cached_file(repository: str, filename: str) -> Path | None:
    """Return the file that :func:`hub_file` would find without the network; None if it is not in the cache."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(repository, filename)
    return Path(path) if isinstance(path, str) else None


def require_hub() -> None:
    """Check that the hub answers; any HTTP response counts.

    Raises:
        ConnectionError: a sentence that says what to do.
    """
    from huggingface_hub import constants, get_session

    try:
        _within(PROBE_SECONDS, lambda: get_session().head(constants.ENDPOINT, timeout=PROBE_SECONDS / 2))
    except Exception as error:  # the client, its proxies and its offline mode fail in many ways
        raise ConnectionError(
            f"The model hub {constants.ENDPOINT} cannot be reached ({type(error).__name__}). Connect this machine to the"
            " network, unset HF_HUB_OFFLINE, or set HF_ENDPOINT to a mirror.",
        ) from error


def _within(seconds: float, function: Callable[[], object]) -> None:
    """Run ``function`` in a thread and raise its error, or ``TimeoutError`` if it takes longer; it is not stopped."""
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
