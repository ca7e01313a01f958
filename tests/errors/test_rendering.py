"""The three forms of a diagnostic, and what they do with unusual text."""

import json

from pydml.diagnostics import Diagnostic, DMLError, Frame, Label, SourceFile, Span
from pydml.diagnostics.render import render_json, render_line, render_text

FILE = SourceFile("a.dml", "x = f(1,\n      2)\n\ny = g(x, 3)\n")


def span(text, file=FILE):
    start = file.text.index(text)
    return Span(file, start, start + len(text))


DIAGNOSTIC = Diagnostic(
    "value",
    "too large",
    span("x, 3"),
    labels=(Label(span("f(1,"), "made here"), Label(span("g"), "called here"), Label(span("3"), "")),
    notes=("x is 7",),
    help="make it smaller",
    stack=(Frame("h", span("f")),),
)


def test_text():
    assert render_text(DIAGNOSTIC).split("\n") == [
        "error[value]: too large",
        " --> a.dml:4:7",
        "1 | x = f(1,",
        "  |     ---- made here",
        "...",
        "4 | y = g(x, 3)",
        "  |     - ^^^-",
        "  |     called here",
        "  = x is 7",
        "  = called by a.dml:1:5 in h",
        "  = help: make it smaller",
    ]


def test_color_marks_severity_and_place():
    text = render_text(Diagnostic("value", "too large", span("g"), severity="warning"), color=True)
    assert text.startswith("\033[1;33mwarning[value]\033[0m: too large\n\033[1;34m --> \033[0ma.dml:4:5\n")


def test_another_file():
    other = SourceFile("b.dml", "z = 1\n")
    text = render_text(Diagnostic("value", "no", span("g"), labels=(Label(span("z", other), "here"),)))
    assert text.split("\n")[1:] == [
        " --> a.dml:4:5",
        "4 | y = g(x, 3)",
        "  |     ^",
        " --> b.dml:1:1",
        "1 | z = 1",
        "  | - here",
    ]


def test_line():
    assert render_line(DIAGNOSTIC) == "a.dml:4:7: error[value]: too large"
    assert render_line(Diagnostic("value", "no place")) == "error[value]: no place"


def test_json():
    (found,) = json.loads(render_json(DMLError(DIAGNOSTIC)))
    assert found == {
        "id": "value",
        "severity": "error",
        "message": "too large",
        "place": {"file": "a.dml", "line": 4, "column": 7, "end_line": 4, "end_column": 11},
        "labels": [
            {"place": {"file": "a.dml", "line": 1, "column": 5, "end_line": 1, "end_column": 9}, "text": "made here"},
            {"place": {"file": "a.dml", "line": 4, "column": 5, "end_line": 4, "end_column": 6}, "text": "called here"},
            {"place": {"file": "a.dml", "line": 4, "column": 10, "end_line": 4, "end_column": 11}, "text": ""},
        ],
        "notes": ["x is 7"],
        "help": "make it smaller",
        "stack": [
            {"function": "h", "place": {"file": "a.dml", "line": 1, "column": 5, "end_line": 1, "end_column": 6}}
        ],
    }


def test_characters_that_a_terminal_obeys_are_not_printed():
    file = SourceFile("a.dml", 'x = "\033[2J" + \u202ey\n')
    text = render_text(Diagnostic("value", "no", span("y", file)))
    assert "\033" not in text
    assert "\u202e" not in text
    assert text.split("\n")[2:] == ['1 | x = "\ufffd[2J" + \ufffdy', "  |               ^"]


def test_combining_characters_take_no_column():
    file = SourceFile("a.dml", 'x = "e\u0301" + y\n')
    assert render_text(Diagnostic("value", "no", span("y", file))).split("\n")[-1] == "  |           ^"


def test_place_at_the_end_of_the_text():
    for text in ("x = 1", "x = 1\n", ""):
        file = SourceFile("a.dml", text)
        lines = render_text(Diagnostic("value", "no", Span(file, len(text), len(text)))).split("\n")
        assert lines[-1].endswith("^")
        assert lines[-1].count("^") == 1


def test_long_lines_are_shown_around_the_mark():
    file = SourceFile("a.dml", "x" * 5000 + "Y" + "z" * 5000)
    _, _, source, marks = render_text(Diagnostic("value", "no", span("Y", file))).split("\n")
    assert len(source) < 180
    assert source[marks.index("^")] == "Y"
    assert source.startswith("1 | ...x")
    assert source.endswith("z...")
