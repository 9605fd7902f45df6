"""Certificates for tests: a CA, and components with certificates of it."""

import datetime
from pathlib import Path

import trustme

from soundwright.kit.security.certificates import Certificates


class Authority:
    """A CA that writes its certificates to a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._ca = trustme.CA()

    def certificates(
        self, name: str, *more_names: str, expires: datetime.datetime | None = None, folder: Path | None = None
    ) -> Certificates:
        """Issue a certificate for ``name``, ``localhost`` and 127.0.0.1, and write it. A second call replaces it.

        Args:
            folder: where to write; default: the folder of the CA.
        """
        folder = folder or self._folder
        issued = self._ca.issue_cert(
            name,
            *more_names,
            "localhost",
            "127.0.0.1",
            not_before=datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC),
            not_after=expires,
        )
        paths = Certificates(*(str(folder / f"{name}.{part}.pem") for part in ("ca", "cert", "key")))
        self._ca.cert_pem.write_to_path(paths.ca_file)
        Path(paths.cert_file).write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(paths.key_file)
        return paths


def replace(files: Certificates, successors: Certificates) -> None:
    """Replace files of certificates by those of their successors, each in one step."""
    for name in ("ca_file", "cert_file", "key_file"):
        draft = Path(f"{getattr(files, name)}.draft")
        draft.write_bytes(Path(getattr(successors, name)).read_bytes())
        draft.replace(getattr(files, name))
