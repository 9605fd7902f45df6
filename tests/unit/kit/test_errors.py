"""The catalogue of errors against what the components raise."""

import ast
import re
import string
from pathlib import Path

import pytest

from soundwright.kit import errors
from soundwright.kit.errors import CATALOGUE, Code

Nodes = list[tuple[str, ast.AST]]

ROOT = Path(__file__).parents[3]
# They pass on an error that another process raised.
CARRIERS = {"kit/rpc/errors.py", "kit/confined/process.py", "kit/app_error.py"}


@pytest.fixture(scope="module")
def nodes() -> Nodes:
    """What the components call, name and compare, with the paths of their files."""
    return [
        (str(path.relative_to(ROOT)), node)
        for folder in ("kit", "services") for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call | ast.Attribute | ast.Compare)
    ]  # fmt: skip


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def test_components_raise_errors_of_the_catalogue_with_all_their_values(nodes: Nodes) -> None:
    wrong = []
    for path, node in nodes:
        match node:
            case ast.Call(func=ast.Name(id="AppError")) if path not in CARRIERS:
                wrong.append(f"{path}:{node.lineno}: AppError instead of an error of the catalogue")
            case ast.Call(func=ast.Attribute(value=ast.Name(id="errors"), attr=name), args=args, keywords=keywords) if (
                name.isupper()
            ):
                given = {keyword.arg for keyword in keywords}
                if not args and None not in given and not fields(CATALOGUE[name].sentence) <= given:
                    wrong.append(f"{path}:{node.lineno}: {name} lacks values of its sentence")
    assert wrong == []


def test_the_catalogue_has_no_error_that_nothing_raises(nodes: Nodes) -> None:
    names = {
        node.attr
        for _, node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "errors"
    }  # fmt: skip
    assert set(CATALOGUE) - names == set()


def test_reasons_that_components_compare_are_in_the_catalogue(nodes: Nodes) -> None:
    known = {error.reason for error in CATALOGUE.values()}
    compared = {
        (path, constant.value)
        for path, node in nodes
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Attribute) and node.left.attr == "reason"
        for constant in ast.walk(node) if isinstance(constant, ast.Constant) and re.fullmatch("[A-Z_]{4,}", str(constant.value))
    }  # fmt: skip
    assert len(compared) > 20
    assert {entry for entry in compared if entry[1] not in known} == set()


def test_errors_say_what_to_do_in_one_way() -> None:
    for error in CATALOGUE.values():
        message = error.shown.message
        assert "{" not in message, message
        assert not re.search(
            r"\bplease\b|again (later|shortly|soon)|in a (moment|few minutes)", message, re.IGNORECASE
        ), message


def test_codes_have_statuses_of_grpc_and_http() -> None:
    for code in Code:
        assert 400 <= code.value.http_status < 600
        assert code.value.is_server_fault is (
            code.value.http_status >= 500 and code not in (Code.UNIMPLEMENTED, Code.NOT_PROVISIONED)
        )


def test_sentences_have_sizes_and_programs_have_bytes() -> None:
    error = errors.QUOTA_EXCEEDED(limit_bytes=5_000_000_000, required_bytes=1_234_567, used_bytes=999_600)
    assert error.message.startswith("Your storage quota of 5 GB has no room for 1.23 MB more; 1 MB are in use. ")
    assert error.meta["required_bytes"] == 1_234_567
