"""Ports: Protocols for external dependencies, and the values that cross them.

They import nothing of the project. The adapters in :mod:`soundwright.kit.adapters` pass the contract suites in ``tests/contract``.
"""

from soundwright.kit.ports.blobs import BlobInfo, Blobs, BlobWriter, PublicBlobs, StoreSpace, UploadedPart
from soundwright.kit.ports.bus import Bus, Consumer, Delivery, Subscription
from soundwright.kit.ports.clock import Clock
from soundwright.kit.ports.documents import (
    AllOf,
    AnyOf,
    AtLeast,
    Collection,
    Contains,
    Doc,
    Docs,
    Index,
    LessThan,
    OneOf,
    StartsWith,
)

__all__ = [
    "AllOf",
    "AnyOf",
    "AtLeast",
    "BlobInfo",
    "BlobWriter",
    "Blobs",
    "Bus",
    "Clock",
    "Collection",
    "Consumer",
    "Contains",
    "Delivery",
    "Doc",
    "Docs",
    "Index",
    "LessThan",
    "OneOf",
    "PublicBlobs",
    "StartsWith",
    "StoreSpace",
    "Subscription",
    "UploadedPart",
]
