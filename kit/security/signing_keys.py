"""The keys with which components sign principals: one Ed25519 key pair (RFC 8032) for each component.

Without key files, all pairs are derived from the platform's secret, so every process that knows the secret can sign as
every component. With key files, a component holds only its own private key and the public keys of all.
"""

import base64
import functools
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from soundwright.kit.reloaded import Reloaded
from soundwright.kit.security.private_files import write_private
from soundwright.kit.security.secrets import SECRET_MINIMUM_BYTES, Secrets

_KEY_SETTING, _KEYS_SETTING = "SOUNDWRIGHT_SIGNING_KEY_FILE", "SOUNDWRIGHT_VERIFICATION_KEYS_FILE"
_KEY_ID = re.compile(r"[a-z]{1,20}\.[0-9a-f]{16}")


class KeyFileError(Exception):
    """A key file cannot be used. The message names the setting, the file and the reason."""


class SigningKeys(Protocol):
    """The private key of one component and the public keys of all."""

    def private(self) -> tuple[str, OKPKey]:
        """Return the private key of this component and its key ID."""
        ...

    def public(self, key_id: str) -> OKPKey | None: ...


def component_of(key_id: str) -> str:
    return key_id.partition(".")[0]


class DerivedKeys:
    """Key pairs derived from the platform's secrets with HKDF (RFC 5869)."""

    def __init__(self, component: str, secrets: Secrets) -> None:
        self._component = component
        self._secrets = secrets

    def private(self) -> tuple[str, OKPKey]:
        return _derived(self._secrets.current, self._component)

    def public(self, key_id: str) -> OKPKey | None:
        if not _KEY_ID.fullmatch(key_id):
            return None
        for secret in self._secrets.all:
            # A short previous secret opens stored data, but could be guessed, so it signs nothing.
            if len(secret) >= SECRET_MINIMUM_BYTES:
                candidate_id, key = _derived(secret, component_of(key_id))
                if candidate_id == key_id:
                    return key
        return None


class FileKeys:
    """Keys from files: a private key in PEM, and the public keys of all components as a JWK set (RFC 7517).

    Both files are read again when they change. Unusable files leave the keys as they were.
    """

    def __init__(self, component: str, key_file: str, keys_file: str) -> None:
        """
        Raises ``KeyFileError``: a file is missing or unusable, or the private key does not belong to ``component``.
        """
        self._component = component
        self._paths = (Path(key_file), Path(keys_file))
        self._keys = Reloaded("keys", self._paths, self._load, (KeyFileError,))

    def private(self) -> tuple[str, OKPKey]:
        return self._keys.current[0]

    def public(self, key_id: str) -> OKPKey | None:
        return self._keys.current[1].get(key_id)

    def _load(self) -> tuple[tuple[str, OKPKey], dict[str, OKPKey]]:
        key_file, keys_file = self._paths
        try:
            keys = KeySet.import_key_set(json.loads(_content(_KEYS_SETTING, keys_file))).keys
            public = {str(key.kid): key for key in keys if isinstance(key, OKPKey) and key.kid}
        except (JoseError, ValueError, KeyError, TypeError):
            raise KeyFileError(f"{_KEYS_SETTING}: {keys_file} holds no JWK set.") from None
        key_id, key = _key_pair(_read_private(key_file), self._component)
        if key_id not in public:
            raise KeyFileError(
                f"{_KEY_SETTING}: {keys_file} has no public key {key_id!r} for the key of {self._component} in {key_file}. "
                "Create both with `python -m soundwright.services.library signing-keys`."
            )
        return (key_id, key), public


def add_key_files(folder: Path, components: Iterable[str]) -> None:
    """Write a new private key ``<component>.pem`` for each component, and add the public keys to ``keys.json``."""
    public = folder / "keys.json"
    keys = json.loads(public.read_text())["keys"] if public.exists() else []
    for component in components:
        private = Ed25519PrivateKey.generate()
        keys.append(_public_jwk(private, component))
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(folder / f"{component}.pem", pem.decode())
    _write_keys(public, keys)


def forget_previous_keys(folder: Path, components: Iterable[str]) -> None:
    """Keep only the public keys of the private keys in ``folder`` in ``keys.json``.

    Raises ``KeyFileError``: a private key is missing or unusable.
    """
    _write_keys(folder / "keys.json", [_public_jwk(_read_private(folder / f"{name}.pem"), name) for name in components])


def _write_keys(path: Path, keys: list[dict[str, Any]]) -> None:
    write_private(path, json.dumps({"keys": keys}, indent=2) + "\n")


def _public_jwk(private: Ed25519PrivateKey, component: str) -> dict[str, Any]:
    key_id, key = _key_pair(private, component)
    return {**key.as_dict(private=False), "kid": key_id}


def _read_private(path: Path) -> Ed25519PrivateKey:
    try:
        private = load_pem_private_key(_content(_KEY_SETTING, path), None)
    except (ValueError, TypeError):
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyFileError(f"{_KEY_SETTING}: {path} holds no Ed25519 private key in PEM without a password.")
    return private


@functools.lru_cache(maxsize=128)
def _derived(secret: bytes, component: str) -> tuple[str, OKPKey]:
    info = f"soundwright principal v1 {component}".encode()
    seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)
    return _key_pair(Ed25519PrivateKey.from_private_bytes(seed), component)


def _key_pair(private: Ed25519PrivateKey, component: str) -> tuple[str, OKPKey]:
    """Return the key ID, which names the component, and the key."""
    raw = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "d": _base64(raw), "x": _base64(public)})
    return f"{component}.{hashlib.sha256(public).hexdigest()[:16]}", key


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _content(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{setting}: cannot read {path}: {error.strerror}.") from None
