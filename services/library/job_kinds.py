"""The public names and paths of job kinds, which the proto contract declares as options of the enum values."""

from collections.abc import Mapping
from typing import Any

from soundwright.kit.messages import word_from_wire
from soundwright.library.v1 import job_pb2
from soundwright.services.library.webhooks.messages import PublicKind


def public_kinds() -> Mapping[str, PublicKind]:
    """Return the public name and paths of each kind, by the library's name of the kind."""
    kinds: dict[str, PublicKind] = {}
    for value in job_pb2.JobKind.DESCRIPTOR.values:
        word = word_from_wire(job_pb2.JobKind.DESCRIPTOR, value.number)
        if word is not None:
            extensions: Any = value.GetOptions().Extensions
            declared: job_pb2.PublicKind = extensions[job_pb2.public_kind]
            kinds[word] = PublicKind(
                type=declared.type,
                output_path=declared.output_path,
                details_path=declared.details_path,
                details_name=declared.details_name,
            )
    return kinds
