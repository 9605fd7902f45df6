"""Verification of webhook messages (Standard Webhooks 1.0, docs/WEBHOOKS.md)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from soundwright_client.errors import SignatureInvalid

_TOLERANCE_SECONDS = 300.0


def verify_webhook(secret: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Return the message of a webhook request, if the server of ``secret`` sent it within the last five minutes.

    Args:
        secret: ``whsec_...``, which the API returned when the webhook was created.
        headers: the headers of the request, in any case.
        body: the bytes of the request. Do not parse and encode them again.

    Raises:
        SignatureInvalid: the message is old, or was not signed with ``secret``.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        identifier, stamp = given["webhook-id"], given["webhook-timestamp"]
        signatures = given["webhook-signature"].split()
        age_seconds = abs(time.time() - int(stamp))
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (KeyError, ValueError, binascii.Error):
        raise SignatureInvalid("The message has no signature, or the secret is malformed.") from None
    if age_seconds > _TOLERANCE_SECONDS:
        raise SignatureInvalid("The message was signed more than five minutes ago. Check the clock of this machine.")
    digest = hmac.new(key, f"{identifier}.{stamp}.".encode() + body, hashlib.sha256).digest()
    expected = f"v1,{base64.b64encode(digest).decode()}".encode()
    if not any(hmac.compare_digest(expected, signature.encode()) for signature in signatures):
        raise SignatureInvalid("The signature is wrong. Check the secret of the webhook.")
    message: dict[str, Any] = json.loads(body)
    return message
