"""The contract of a method, by the name with which gRPC calls it."""

import functools

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor


@functools.cache
def descriptor_of(method: str) -> MethodDescriptor:
    """Return the descriptor of ``/package.Service/Method``."""
    return descriptor_pool.Default().FindMethodByName(method.removeprefix("/").replace("/", "."))
