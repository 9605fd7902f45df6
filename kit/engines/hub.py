"""Model files from the Hugging Face hub, its cache, and mirrors."""

import contextlib
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from soundwright.kit.engines.declaration import ModelFile
from soundwright.kit.log import get_logger

PROBE_SECONDS = 8.0
_MIRROR_SECONDS = 30.0  # longest wait for the next bytes from a mirror
_MIRROR_LIMIT_BYTES = 8 << 30
log = get_logger()


def model_file(repository: str, file: ModelFile) -> Path:
    """Return a declared file: from the cache if it is there, else from the hub, else from the first mirror that has it.

    Args:
        repository: repository on the hub; empty if the file is only at its mirrors.

    Raises ``Exception``: of many types, if no source has the file. The last error is raised.
    """
    cached = cached_model_file(repository, file)
    if cached is not None:
        return cached
    failure: Exception = FileNotFoundError(f"{file.name} has no source")
    if repository:
        try:
            return hub_file(repository, file.name)
        except Exception as error:  # the hub, its cache and its proxies fail in many ways
            failure = error
    for address in file.mirrors:
        try:
            return _mirrored(address, file)
        except Exception as error:
            log.warning("models.mirror_failed", address=address, error=type(error).__name__)
            failure = error
    raise failure


def cached_model_file(repository: str, file: ModelFile) -> Path | None:
    """Return the path of a declared file if it is on this machine, whether from the hub or from a mirror."""
    found = cached_file(repository, file.name) if repository else None
    copy = _mirror_path(file)
    return copy if found is None and copy is not None and copy.is_file() else found


def fetched_bytes(repository: str, files: Sequence[ModelFile]) -> int:
    """Return how many bytes of declared files are on this machine. Files that are being downloaded count if they have a
    SHA-256.
    """
    return sum(_fetched_bytes(repository, file) for file in files)


def _fetched_bytes(repository: str, file: ModelFile) -> int:
    cached = cached_model_file(repository, file)
    drafts = [cached] if cached is not None else _drafts(repository, file)
    found = []
    for path in drafts:
        with contextlib.suppress(FileNotFoundError):  # it has just got its name, or was given up
            found.append(path.stat())
    newest = max(found, key=lambda stat: stat.st_mtime, default=None)
    # A download may reserve the space of the whole file before it writes.
    return min(newest.st_size, newest.st_blocks * 512) if newest else 0


def _drafts(repository: str, file: ModelFile) -> list[Path]:
    """Return the files into which a file is or was being downloaded, from the hub and from mirrors."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    copy = _mirror_path(file)
    if copy is None:
        return []
    drafts = [*copy.parent.glob("tmp*")]
    if repository:
        folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model")
        drafts += folder.glob(f"blobs/{file.sha256}*.incomplete")
    return drafts


def _mirror_path(file: ModelFile) -> Path | None:
    from huggingface_hub import constants

    return None if file.sha256 is None else Path(constants.HF_HOME) / "mirrored" / file.sha256 / file.name


def _mirrored(address: str, file: ModelFile) -> Path:
    """Download a file from a mirror, and keep it only if it has the declared SHA-256."""
    import httpx
    from huggingface_hub import constants

    path = _mirror_path(file)
    if path is None or constants.HF_HUB_OFFLINE:
        raise ConnectionError("mirrors are not used offline, nor for files without a SHA-256")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent)
    try:
        digest, limit = hashlib.sha256(), file.size_bytes or _MIRROR_LIMIT_BYTES
        with (
            os.fdopen(descriptor, "wb") as out,
            httpx.stream("GET", address, follow_redirects=True, timeout=_MIRROR_SECONDS) as response,
        ):
            response.raise_for_status()
            for block in response.iter_bytes(1 << 20):
                if out.tell() + len(block) > limit:
                    raise ValueError(f"{address} sends more than {limit} bytes")
                digest.update(block)
                out.write(block)
        if digest.hexdigest() != file.sha256:
            raise ValueError(f"{address} has another file")
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)
    return path


def hub_file(repository: str, filename: str) -> Path:
    """Return a file of a hub repository, from the cache if it is there, and download it otherwise.

    The standard variables of ``huggingface_hub`` (``HF_HOME``, ``HF_HUB_OFFLINE``, ``HF_ENDPOINT``) apply.

    A cached file costs no network traffic. Without a network this fails within ``PROBE_SECONDS``.

    Raises ``Exception``: of many types, if the file is not cached and the hub cannot be reached or does not have it.
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

    Raises ``ConnectionError``: a sentence that says what to do.
    """
    from huggingface_hub import constants, get_session

    try:
        _within(PROBE_SECONDS, lambda: get_session().head(constants.ENDPOINT, timeout=PROBE_SECONDS / 2))
    except Exception as error:  # the client, its proxies and its offline mode fail in many ways
        raise ConnectionError(
            f"The model hub {constants.ENDPOINT} cannot be reached ({type(error).__name__}). Connect this machine to the"
            " network, unset HF_HUB_OFFLINE, or set HF_ENDPOINT to a mirror."
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
