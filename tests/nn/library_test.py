"""The library as a whole: its interface, its documentation, and the page that lists its files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path

import core_layers
import extra_layers
import pytest

from pydml.diagnostics import SourceFile
from pydml.documentation import documentation
from pydml.syntax import parse, unparse_expr
from pydml.syntax.ast import Call, FunctionDef, Module, Parameter, Source

NN = Path(__file__).parents[2] / "scripts" / "nn"
FILES = sorted(NN.rglob("*.dml"))
LIBRARY = [path for path in FILES if path.parent.name != "examples"]
EXAMPLES = [path for path in FILES if path.parent.name == "examples"]
name_of = lambda path: str(path.relative_to(NN))  # noqa: E731


@cache
def module_of(path: Path) -> Module:
    return parse(SourceFile(str(path), path.read_text(encoding="utf-8")))


# ---- interface


def interface() -> dict[str, list[str]]:
    table: dict[str, list[str]] = {}
    for line in (Path(__file__).parent / "signatures.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):
            table[next(reversed(table))].append(line.strip())
        elif line and not line.startswith("#"):
            table[line] = []
    return table


def shown(parameter: Parameter) -> str:
    kind, value = parameter.type.data, parameter.type.value
    text = f"{value if kind == 'scalar' else f'{kind}[{value}]'} {parameter.name}"
    return text if parameter.default is None else f"{text} = {unparse_expr(parameter.default)}"


def test_the_table_is_as_long_as_the_interface():
    table = interface()
    assert len(table) == 69
    assert sum(map(len, table.values())) == 273


@pytest.mark.parametrize("file", interface())
def test_names_parameters_and_results_are_those_of_the_interface(file):
    functions = {f.name: f for f in module_of(NN / file).functions}
    for signature in interface()[file]:
        expected = pattern(signature)
        assert expected.name in functions, f"{file} lacks {expected.name}"
        found = functions[expected.name]
        assert [shown(p) for p in found.outputs] == [shown(p) for p in expected.outputs], f"{file}: {found.name}"
        n = len(expected.params)
        assert [shown(p) for p in found.params[:n]] == [shown(p) for p in expected.params], f"{file}: {found.name}"
        assert all(p.default is not None for p in found.params[n:]), f"{file}: {found.name} needs further arguments"


def pattern(signature: str) -> FunctionDef:
    """The signature as the parser sees it, so that spelling and defaults compare as trees."""
    name, _, rest = signature.partition("(")
    parameters, _, outputs = rest.rpartition(" -> ")
    text = f"{name} = function({parameters} return {outputs} {{\n  x = 1\n}}\n"
    return parse(SourceFile("signature", text)).functions[0]


# ---- documentation


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_file_and_function_is_documented(path):
    module = module_of(path)
    assert len(module.doc.split()) >= 8, "the file does not say what it is for"
    for function in module.functions:
        doc = function.doc
        assert doc, f"{function.name} says nothing"
        # documented elsewhere: "the others: the inputs of `forward`"
        short = re.search(r"\b[Ss]ee |\b[Aa]s `|\bas in\b|\b[Aa]s\b.*\bof\b|inputs? of|outputs? of|the others", doc)
        for part in (*function.params, *function.outputs):
            named = re.search(rf"(?<![\w:]){re.escape(part.name)}(?!\w)", doc)
            assert named or short or "..." in doc, f"{function.name} does not say what {part.name} is"


@pytest.mark.parametrize("path", [p for p in LIBRARY if p.parent.name in ("layers", "networks")], ids=name_of)
def test_layers_and_networks_say_how_their_data_lies(path):
    module = module_of(path)
    docs = "\n".join([module.doc, *(f.doc for f in module.functions)])
    assert re.search(r"\([\w*-]+, ?[\w*-]+\)|any shape|nested", docs), "no shape in the file's documentation"


@pytest.mark.parametrize("path", [p for p in FILES if module_of(p).statements and p in EXAMPLES], ids=name_of)
def test_programs_say_what_they_print(path):
    module = module_of(path)
    if all(type(s).__name__ == "Source" for s in module.statements):
        return
    assert re.search(r"\b[Pp]rint(s|ed)\b", module.doc), "the file does not say what it prints"
    assert f"pydml scripts/nn/examples/{path.name}" in module.doc, "the file does not say how it is run"
    for argument in set(re.findall(r"ifdef\(\$(\w+)", path.read_text(encoding="utf-8"))):
        assert re.search(rf"\${argument}\b|\b{argument}\b", module.doc), f"the argument {argument} is not documented"


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_pydml_doc_prints_the_documentation_of_a_file(path):
    module = module_of(path)
    text = documentation(f"nn/{name_of(path).removesuffix('.dml')}")
    assert text is not None
    words = " ".join(text.split())
    assert " ".join(module.doc.split()) in words
    for function in module.functions:
        assert f"{function.name}(" in text and " ".join(function.doc.split()) in words


# ---- tests and lists of files


# what a row of the gradient table cannot hold, and the tests that take its place
def calls(node: object) -> Iterator[Call]:
    """All calls in a syntax tree."""
    if isinstance(node, tuple):
        for item in node:
            yield from calls(item)
    elif is_dataclass(node):
        if isinstance(node, Call):
            yield node
        for field in fields(node):
            if field.compare:  # places do not count
                yield from calls(getattr(node, field.name))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_calls_by_position_give_all_arguments(path):
    """SystemDS takes defaults only where all arguments have names."""
    module = module_of(path)
    files = {s.namespace: NN.parent / s.path for s in module.statements if isinstance(s, Source)}
    for call in calls(module.statements):
        functions = module_of(files[call.namespace]).functions if call.namespace else module.functions
        definition = next((f for f in functions if f.name == call.function), None)
        if definition is not None and any(a.name is None for a in call.args):
            assert len(call.args) == len(definition.params), f"{call.function}, line {call.span.line}"


ELSEWHERE = {
    "layers/dropout.dml": "core_layers_test.py",
    "layers/feedForward.dml": "extra_layers_test.py",
    "layers/lenetForwardPass.dml": "extra_layers_test.py",
    "layers/mbconv.dml": "extra_layers_test.py",
}


@pytest.mark.parametrize("path", sorted(NN.glob("layers/*.dml")), ids=name_of)
def test_every_layer_is_in_the_gradient_table(path):
    name = name_of(path)
    rows = {row.file for row in (*core_layers.LAYERS, *extra_layers.LAYERS)}
    assert name in rows or f"nn/{name}" in (Path(__file__).parent / ELSEWHERE[name]).read_text(encoding="utf-8")


@pytest.mark.parametrize("page, folder", [("README.md", "."), ("examples/SUMMARY.md", "examples")])
def test_pages_list_every_file_and_nothing_else(page, folder):
    """A new file needs its row in scripts/nn/README.md, and an example one in examples/SUMMARY.md as well."""
    listed = re.findall(r"^\| `([^`]+\.(?:dml|py))`", (NN / page).read_text(encoding="utf-8"), re.M)
    files = [p for p in (NN / folder).rglob("*") if p.suffix in (".dml", ".py")]
    assert sorted(listed) == sorted(path.relative_to(NN / folder).as_posix() for path in files)


def test_the_tests_that_the_readme_names_exist():
    text = (NN / "README.md").read_text(encoding="utf-8")
    names = set(re.findall(r"`(\w+_test\.py|test_\w+\.py)`", text))
    assert names
    here = {path.name for path in Path(__file__).parents[1].rglob("*.py")}
    assert names <= here


def test_references_between_pages_and_files_hold():
    for page in NN.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (page.parent / target).exists(), f"{name_of(page)} links to {target}"
