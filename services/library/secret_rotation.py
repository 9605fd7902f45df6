"""Rotation of the platform's secret and of the signing keys of components (docs/decisions/0025)."""

from collections.abc import Mapping
from pathlib import Path

from soundwright.kit import infra
from soundwright.kit.ports import Collection, Doc, Docs
from soundwright.kit.security.private_files import write_private
from soundwright.kit.security.sealing import Sealer
from soundwright.kit.security.secrets import Secrets
from soundwright.kit.security.signing_keys import add_key_files, forget_previous_keys
from soundwright.kit.settings import Settings, new_secret
from soundwright.services.library.documents import walk
from soundwright.services.library.settings import LibrarySettings

_COMPONENTS = ("gateway", "library", "ingest", "separation", "analysis", "generation")

# The encrypted fields of each collection. Each is encrypted for the ID of its document.
_SEALED_FIELDS: Mapping[str, tuple[str, ...]] = {
    "connections": ("secret_sealed",),
    "webhooks": ("secret_sealed", "previous_secret_sealed"),
}


async def rotate_secret(settings: LibrarySettings, finish: bool) -> str:
    """Add a secret and encrypt stored data with it or, to ``finish``, remove the previous secrets. Return what was done.

    With ``SOUNDWRIGHT_SECRET``, only stored data changes.
    """
    configured = bool(settings.secret.get_secret_value())
    if not configured and not finish:
        add_secret(settings)
    platform_secrets = settings.secrets()
    async with infra.closing(infra.open_docs(settings)) as docs:
        changed = await reseal(docs, platform_secrets)
    done = f"{changed} documents were encrypted with the current secret. "
    if configured:
        return done + "A day from now, remove previous secrets from SOUNDWRIGHT_SECRET."
    if finish:
        return done + f"{forget_previous_secrets(settings)} holds the current secret only."
    return done + f"{settings.secret_file} also holds the previous one. A day from now, run `rotate-secret --finish`."


def renew_signing_keys(folder: Path, finish: bool) -> str:
    """Add a signing key for each component or, to ``finish``, remove the previous public keys. Return what was done.

    Raises ``KeyFileError``: a private key is missing or unusable.
    """
    if finish:
        forget_previous_keys(folder, _COMPONENTS)
        return f"{folder / 'keys.json'} holds the current public keys only."
    add_key_files(folder, _COMPONENTS)
    return f"{folder} holds a new private key for each component. Distribute keys.json first."


def add_secret(settings: Settings) -> Path:
    """Put a new secret in front of those in the data directory, and return the path of the file.

    Running components read it at once. They accept the previous secrets as well.
    """
    settings.secrets()  # creates the file if it does not exist
    path = settings.secret_file
    write_private(path, "\n".join((new_secret(), *path.read_text().split())) + "\n")
    return path


def forget_previous_secrets(settings: Settings) -> Path:
    """Remove all secrets but the current one from the data directory, and return the path of the file."""
    path = settings.secret_file
    write_private(path, path.read_text().split()[0] + "\n")
    return path


async def reseal(docs: Docs, platform_secrets: Secrets) -> int:
    """Encrypt stored secrets of accounts with the current secret. Return how many documents changed.

    It can be repeated, and runs beside a running library.
    """
    sealer = Sealer(platform_secrets)
    changed = 0
    for collection, fields in _SEALED_FIELDS.items():
        await docs.ensure(Collection(collection))
        async for found in walk(docs, collection):
            doc: Doc | None = found
            while doc is not None:
                resealed = {field: sealer.reseal(doc[field], doc["id"]) for field in fields if doc.get(field)}
                if all(doc[field] == text for field, text in resealed.items()):
                    break
                if await docs.replace(collection, {**doc, **resealed}, doc["revision"]):
                    changed += 1
                    break
                doc = await docs.get(collection, doc["id"])  # another process changed it
    return changed
