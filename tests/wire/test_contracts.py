"""The contracts in proto/: naming rules over the descriptors, stub drift, and servicers for every RPC."""

import importlib
import inspect
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor, FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from dev.tools import stubs
from soundwright.access.v1 import access_pb2
from soundwright.kit.rpc.transport import RETIRED_CHANNEL_SECONDS

PROTO = stubs.ROOT / "proto"
FILES = sorted(path.relative_to(PROTO) for path in PROTO.rglob("*.proto"))
DESCRIPTORS: dict[Path, FileDescriptor] = {
    path: importlib.import_module(".".join(path.with_suffix("").parts) + "_pb2").DESCRIPTOR for path in FILES
}
MESSAGES = [m for file in DESCRIPTORS.values() for m in file.message_types_by_name.values()]
METHODS: list[MethodDescriptor] = [
    method for file in DESCRIPTORS.values() for service in file.services_by_name.values() for method in service.methods
]
UNSIGNED = {
    FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED32,
    FieldDescriptor.TYPE_FIXED64,
}  # fmt: skip


def test_there_is_something_to_check() -> None:
    assert len(METHODS) >= 20
    assert {path.parts[1] for path in FILES} >= {"library", "ingest", "separation", "analysis", "generation"}


def test_the_package_is_the_folder() -> None:
    for path in FILES:
        assert DESCRIPTORS[path].package == ".".join(path.parent.parts)
        assert re.fullmatch(r"soundwright\.[a-z]+\.v[1-9]", DESCRIPTORS[path].package)


def test_services_end_in_service_and_live_in_service_files() -> None:
    for path in FILES:
        services = DESCRIPTORS[path].services_by_name
        assert all(re.fullmatch(r"[A-Z][A-Za-z]+Service", name) for name in services), path
        assert bool(services) == path.name.endswith("_service.proto"), path


def test_requests_and_responses_are_named_after_their_rpc() -> None:
    for method in METHODS:
        name = f"{method.containing_service.file.package}.{method.name}"
        assert (method.input_type.full_name, method.output_type.full_name) == (f"{name}Request", f"{name}Response")


def test_the_removals_are_declared() -> None:
    for method in METHODS:
        options = method.GetOptions()
        named = re.match("(Delete|Remove|Withdraw|Abort|EndSession)", method.name) and not method.output_type.fields
        assert bool(named) == options.Extensions[access_pb2.removes], method.full_name
        assert not named or options.idempotency_level == MethodOptions.IDEMPOTENT, method.full_name


def test_no_request_or_response_serves_two_rpcs() -> None:
    used = Counter(message.full_name for method in METHODS for message in (method.input_type, method.output_type))
    assert [name for name, count in used.items() if count > 1] == []


def test_no_request_or_response_is_left_over_or_nested_in_another() -> None:
    used = {message.full_name for method in METHODS for message in (method.input_type, method.output_type)}
    ending = {m.full_name for m in MESSAGES if m.name.endswith(("Request", "Response"))}
    assert ending == used
    nested = {f.message_type.full_name for m in MESSAGES for f in m.fields if f.message_type is not None}
    assert nested & used == {"soundwright.library.v1.CreateJobRequest"}  # a batch of requests


def test_enums_begin_with_unspecified_and_carry_their_name() -> None:
    for file in DESCRIPTORS.values():
        for enum in file.enum_types_by_name.values():
            prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper() + "_"
            assert all(value.name.startswith(prefix) for value in enum.values), enum.full_name
            assert (enum.values[0].name, enum.values[0].number) == (f"{prefix}UNSPECIFIED", 0)


def test_fields_keep_to_the_rules() -> None:
    for field in (field for message in MESSAGES for field in message.fields):
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", field.name), field.full_name
        assert field.type not in UNSIGNED, f"{field.full_name}: other languages have no unsigned integers"
        is_time = field.message_type is not None and field.message_type.full_name == "google.protobuf.Timestamp"
        assert is_time == field.name.endswith("_time"), field.full_name
        if field.name.rsplit("_", 1)[-1] in ("duration", "timeout", "rate", "delay"):
            raise AssertionError(f"{field.full_name} names no unit")


def test_the_stubs_are_those_of_the_contracts(capsys: pytest.CaptureFixture[str]) -> None:
    assert stubs.main(["--check"]) == 0, capsys.readouterr().out


def servicers() -> list[tuple[str, type[Any], list[str]]]:
    found = []
    for path, descriptor in DESCRIPTORS.items():
        for service in descriptor.services_by_name.values():
            grpc_module = importlib.import_module(".".join(path.with_suffix("").parts) + "_pb2_grpc")
            base = getattr(grpc_module, f"{service.name}Servicer")
            found.append((path.parts[1], base, [method.name for method in service.methods]))
    return found


@pytest.mark.parametrize(
    ("component", "base", "methods"), servicers(), ids=lambda value: getattr(value, "__name__", "")
)
def test_every_rpc_is_served(component: str, base: type[Any], methods: list[str]) -> None:
    folder = "kit/engines" if component == "models" else f"services/{component}"
    paths = (stubs.ROOT / folder).rglob("*rpc.py")
    modules = [importlib.import_module(".".join(path.relative_to(stubs.ROOT).with_suffix("").parts)) for path in paths]
    ours = {
        value for module in modules for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, base) and value is not base
    }  # fmt: skip
    assert len(ours) == 1
    servicer = ours.pop()
    for name in methods:
        method = vars(servicer).get(name)
        assert inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method), f"{servicer.__name__}.{name}"


def test_a_replaced_connection_outlives_each_call() -> None:
    limits = [method.GetOptions().Extensions[access_pb2.time_limit_seconds] for method in METHODS]
    assert 0 < max(limits) < RETIRED_CHANNEL_SECONDS
