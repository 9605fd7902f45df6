"""The TLS certificates of a component: PEM files, read again whenever they change.

A component has a certificate of its own, its private key, and the certificates of the authority (CA) that signs for the
whole platform. gRPC, NATS and the stores take their TLS from here.
"""

import datetime
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from soundwright.kit.reloaded import Reloaded

_CA_SETTING, _CERT_SETTING, _KEY_SETTING = (
    "SOUNDWRIGHT_TLS_CA_FILE",
    "SOUNDWRIGHT_TLS_CERT_FILE",
    "SOUNDWRIGHT_TLS_KEY_FILE",
)

T = TypeVar("T")


class CertificateError(Exception):
    """The TLS files cannot be used. The message names the setting, the file and the remedy."""


@dataclass(frozen=True)
class CertificateFiles:
    """The checked content of the files, as PEM."""

    ca: bytes
    cert: bytes
    key: bytes


@dataclass(frozen=True)
class Certificates:
    """The paths of the platform's CA, of this component's certificate and of its key. Empty: no TLS."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    @property
    def configured(self) -> bool:
        return bool(self.ca_file and self.cert_file and self.key_file)

    def read(self) -> CertificateFiles:
        """Return the content of the files.

        Raises ``CertificateError``: a file is missing, unreadable or no PEM; the key does not match the certificate;
        the certificate is of another CA, or not valid at this time.
        """
        ca, cert, key = (
            _content(_CA_SETTING, self.ca_file),
            _content(_CERT_SETTING, self.cert_file),
            _content(_KEY_SETTING, self.key_file),
        )
        authorities = _parsed(_CA_SETTING, self.ca_file, ca)
        chain = _parsed(_CERT_SETTING, self.cert_file, cert)
        leaf = chain[0]
        try:
            public = load_pem_private_key(key, None).public_key()
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise CertificateError(
                f"{_KEY_SETTING}: {self.key_file} holds no private key in PEM without a password."
            ) from None
        if public != leaf.public_key():
            raise CertificateError(
                f"{_KEY_SETTING}: the key in {self.key_file} does not match the certificate in {self.cert_file}."
            )
        if not any(_has_signed(authority, each) for authority in authorities for each in chain):
            raise CertificateError(
                f"{_CERT_SETTING}: the certificate in {self.cert_file} is not signed by the CA in {self.ca_file}."
            )
        now = datetime.datetime.now(datetime.UTC)
        if now > leaf.not_valid_after_utc:
            raise CertificateError(
                f"{_CERT_SETTING}: the certificate in {self.cert_file} expired at {leaf.not_valid_after_utc}. Renew it."
            )
        if now < leaf.not_valid_before_utc:
            raise CertificateError(
                f"{_CERT_SETTING}: the certificate in {self.cert_file} is valid from {leaf.not_valid_before_utc} on. "
                "Check the clock of this host."
            )
        return CertificateFiles(ca, cert, key)

    def check(self) -> None:
        """Check that the files can be used, or that none is configured.

        Raises ``CertificateError``: some of the three settings are missing, or a file cannot be used.
        """
        paths = {_CA_SETTING: self.ca_file, _CERT_SETTING: self.cert_file, _KEY_SETTING: self.key_file}
        missing = [setting for setting, path in paths.items() if not path]
        if 0 < len(missing) < len(paths):
            raise CertificateError(f"{', '.join(missing)}: missing. TLS needs all of {', '.join(paths)}.")
        if self.configured:
            self.read()

    def reloaded(self, build: Callable[[CertificateFiles], T]) -> Reloaded[T]:
        """Return what ``build`` makes of the files, now and after each change.

        Raises ``CertificateError``: the files cannot be used.
        """
        paths = (self.ca_file, self.cert_file, self.key_file)
        return Reloaded("tls", paths, lambda: build(self.read()), (CertificateError,))

    def client_context(self) -> ssl.SSLContext:
        """Return a context for connections to servers of the platform: it presents the certificate of this component
        and verifies the certificate and host name of the server.

        The context reads changed files before each handshake.

        Raises ``CertificateError``: the files cannot be used.
        """
        context = ReloadingContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_from(self)
        return context


NO_CERTIFICATES = Certificates()


class ReloadingContext(ssl.SSLContext):
    """A context whose connections use another context, which is built anew when the files have changed.

    Authorities can be added to a context, but not removed. Unusable files leave it as it was.
    """

    _current: Reloaded[ssl.SSLContext]

    def load_from(self, certificates: Certificates) -> None:
        """Load ``certificates`` now and after each change."""

        def load(files: CertificateFiles) -> ssl.SSLContext:
            loaded = ssl.SSLContext(self.protocol)
            loaded.minimum_version = ssl.TLSVersion.TLSv1_2
            loaded.verify_mode = self.verify_mode
            try:
                loaded.load_verify_locations(cadata=files.ca.decode())
                loaded.load_cert_chain(certificates.cert_file, certificates.key_file)
            except (ssl.SSLError, OSError) as error:
                raise CertificateError(f"{_CERT_SETTING}: cannot use {certificates.cert_file}: {error}") from None
            return loaded

        self._current = certificates.reloaded(load)

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        return self._current.current.wrap_socket(*args, **options)

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        return self._current.current.wrap_bio(*args, **options)


def _content(setting: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CertificateError(f"{setting}: cannot read {path}: {error.strerror}.") from None


def _parsed(setting: str, path: str, content: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise CertificateError(f"{setting}: {path} holds no certificate in PEM.") from None


def _has_signed(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
