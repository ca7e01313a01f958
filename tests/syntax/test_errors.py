"""Messages of syntax errors, held equal to stored text: errors/NAME.dml is the program, errors/NAME.txt the messages.

After a deliberate change, `python tests/syntax/test_errors.py` writes the texts anew; read the difference.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pydml.diagnostics import DMLError, SourceFile
from pydml.diagnostics.render import render_text
from pydml.syntax import hint_for_function, hint_for_name, parse

FOLDER = Path(__file__).parent / "errors"
CASES = sorted(path.stem for path in FOLDER.glob("*.dml"))


def messages(name: str) -> str:
    text = (FOLDER / f"{name}.dml").read_text(encoding="utf-8")
    with pytest.raises(DMLError) as caught:
        parse(SourceFile(f"{name}.dml", text))
    return "\n".join(render_text(d) for d in caught.value.diagnostics) + "\n"


@pytest.mark.parametrize("name", CASES)
def test_message(name):
    assert messages(name) == (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def test_every_text_has_its_program():
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == CASES
    assert len(CASES) > 100


def test_all_mistakes_of_a_file_are_reported_in_their_order():
    with pytest.raises(DMLError) as caught:
        parse(SourceFile("t.dml", "x = 1 +\ny = 2\nz = f(1,,2)\nok = 3\nw = a.b\n"))
    assert [d.span.line for d in caught.value.diagnostics] == [1, 3, 5]
    assert {d.id for d in caught.value.diagnostics} == {"syntax"}


def test_a_missing_brace_gives_one_message():
    text = "f = function() {\n  print(1)\n" + "g = function() { print(2) }\n" * 3
    with pytest.raises(DMLError) as caught:
        parse(SourceFile("t.dml", text))
    assert len(caught.value.diagnostics) == 1


@pytest.mark.parametrize(
    "text", ["", "x", "(", ")", "[", "]", "{", "}", "=", "f(", "x[", "\\", '"', "'", "/*", "$", "\0", "x=", "%", "é"]
)
@pytest.mark.parametrize("before", ["", "x = 3\n", "if (", "f = function(", "x = [", "for (i in ", "[a", "x = '"])
def test_broken_text_gives_messages_and_never_another_exception(before, text):
    try:
        parse(SourceFile("t.dml", before + text))
    except DMLError as error:
        assert all(d.message and d.span is not None for d in error.diagnostics)
        assert str(error)


def test_words_of_other_languages_have_hints():
    assert "TRUE" in hint_for_name("True")
    assert "matrix(" in hint_for_function("c")
    assert hint_for_name("x") == hint_for_function("f") == ""


if __name__ == "__main__":
    for case in CASES:
        (FOLDER / f"{case}.txt").write_text(messages(case), encoding="utf-8")
