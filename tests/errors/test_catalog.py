"""Every id that the code reports is in the catalog, with a summary and an explanation of whole sentences."""

import ast
from pathlib import Path

import pytest

import pydml
from pydml.diagnostics.catalog import CATALOG

FILES = sorted(Path(pydml.__file__).parent.rglob("*.py"))
FIRST_ARGUMENT = {"fail", "add", "Diagnostic", "report", "report_new"}


def ids(path):
    """(line, id) of the diagnostics that a module makes."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            value = node.args[0].value
            # other functions called `add` take no second text
            if name in FIRST_ARGUMENT and isinstance(value, str) and len(node.args) > 1:
                yield node.lineno, value


def test_ids_are_in_the_catalog():
    found = [(path.name, line, id) for path in FILES for line, id in ids(path)]
    assert len(found) > 100
    assert [entry for entry in found if entry[2] not in CATALOG] == []


@pytest.mark.parametrize("id", CATALOG)
def test_entries_are_sentences(id):
    for text in CATALOG[id]:
        assert text.endswith(".")
        assert text[0].isupper() or text.startswith("assert")
