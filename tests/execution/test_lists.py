"""Elements of lists are read, and added in loops, without making lists: the same values, the same errors, nobody else's list."""

from __future__ import annotations

import textwrap

import pytest

from pydml.diagnostics import DMLError, SourceFile
from pydml.execution.context import Context
from pydml.execution.executable import Executable, compile_program


def compiled(text: str) -> Executable:
    return compile_program(SourceFile("<test>", textwrap.dedent(text)), outputs=["r"])


def run(text: str) -> object:
    return compiled(text).run(Context(seed=1))["r"]


def test_a_list_of_numbers_is_used_like_one_of_python():
    executable = compiled("""
        l = list()
        for (i in 1:10) { l = append(l, i) }
        r = 0.0
        for (i in 1:10) { r = r + as.scalar(l[i]) }
    """)
    text = executable.explain("python")
    assert "_items_l.append(i)" in text and "r = r + _items_l[i - 1]" in text
    assert executable.run(Context())["r"] == 55.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("l = list(1); m = l; l = append(l, 2); l = append(l, 3); r = length(m) * 10 + length(l)", 13),
        ("l = list(1); for (i in 1:3) { m = l; l = append(l, i) }; r = length(m) * 10 + length(l)", 34),
        ("l = list(1); k = list(l, l); l = append(l, 2); r = length(as.list(k[1])) * 10 + length(l)", 12),
        ("l = list(1); m = append(l, 2); l = append(l, 3); r = as.scalar(m[2]) * 10 + as.scalar(l[2])", 23),
        ("l = list(1); m = append(l, 2); n = append(m, 5); l = append(l, 3); r = as.scalar(n[3]) + length(l)", 7),
        ("l = list(a=1); l = append(l, 2); r = as.scalar(l['a']) + length(l)", 3),
        ("l = list(1, 2); l[2] = 2.5; r = as.scalar(l[2]) * 2", 5.0),
        ("l = list(1, 2); for (i in 1:2) { l[i] = 'x' }; r = as.scalar(l[2]) + 1", "x1"),
        ("l = list(1); for (i in 1:2) { l = append(l, 'x') }; r = as.scalar(l[2]) + as.scalar(l[1])", "x1"),
        ("l = list(); for (i in 1:2) { l = append(l, i > 1) }; r = as.scalar(l[2]) & !as.scalar(l[1])", True),
        (
            "l = list(); for (i in 1:2) { l = append(l, i) }; l = append(l, 0.5); r = as.scalar(l[2]) + as.scalar(l[3])",
            2.5,
        ),
        ("l = list(1, matrix(7, 1, 1), list(8)); r = as.scalar(l[2]) + as.scalar(l[3])", 15.0),
        ("l = list(9223372036854775807); r = as.scalar(l[1]) + 1", -(2**63)),
        ("l = list(3); r = as.scalar(l[1.5])", 3),
        ("l = list(a=1); for (i in 1:3) { l = append(l, i) }; r = as.scalar(l['a']) * 10 + length(l)", 14),
        ("l = list(a=1); for (i in 1:3) { l = append(l, i) }; l = append(l, list(b=7)); r = as.scalar(l['b'])", 7),
        ("l = list(1); m = l; for (i in 1:3) { l = append(l, i) }; r = length(m) * 10 + length(l)", 14),
        (
            "l = list(1); m = append(l, 5); for (i in 1:3) { l = append(l, i) }; r = as.scalar(m[2]) * 10 + length(l)",
            54,
        ),
        ("l = list(1, 2); for (i in 1:length(l)) { l = append(l, i) }; r = length(l)", 4),
        ("l = list(1); while (length(l) < 5) { l = append(l, as.scalar(l[length(l)]) * 2) }; r = as.scalar(l[5])", 16),
        (
            "l = list(1, 2); r = 0; m = l; for (i in 1:2) { r = r + as.scalar(l[i]); m = append(m, i) }; r = r + length(m)",
            7,
        ),
        (
            "l = list(1); for (i in 1:2) { for (k in 1:i) { l = append(l, k) }; l = append(l, as.scalar(l[i])) }; r = length(l)",
            6,
        ),
        (
            "l = list(1); for (i in 1:2) { for (k in 1:i) { l = append(l, k) }; m = l }; r = length(m) * 10 + length(l)",
            44,
        ),
        ("l = list(); for (i in 1:3) { if (i == 2) { l = append(l, matrix(i, 1, 1)) } }; r = as.scalar(l[1])", 2.0),
        ("l = list(1); for (i in 1:0) { l = append(l, i) }; r = length(l)", 3),
    ],
)
def test_values(text, expected):
    result = run(text)
    assert result == expected and type(result) is type(expected)


def test_a_list_of_the_caller_does_not_grow():
    assert run("""
        longer = function(list[unknown] l, int n) return (list[unknown] l) {
          for (i in 1:n) { l = append(l, i) }
        }
        l = list(5)
        m = longer(l, 3)
        r = length(l) * 10 + length(m)
    """) == 14  # fmt: skip


@pytest.mark.parametrize(
    ("text", "id", "message", "source"),
    [
        ("for (i in 1:3) { r = as.scalar(l[i]) }", "index", "[3] is outside of the list of 2 elements", "l[i]"),
        ("for (i in 2:3) { l = append(l, i); r = as.scalar(l[2 * i - 1]) }", "index", "[5] is outside of the list of 4", "l[2 * i - 1]"),
        ("for (i in 2:0) { l = append(l, i); r = as.scalar(l[i]) }", "index", "[0] is outside of the list of 5", "l[i]"),
        ("for (i in 2:0) { r = as.scalar(l[i]) }", "index", "[0] is outside of the list of 2 elements", "l[i]"),
        ("for (i in 2:2) { r = as.scalar(k[i]) }", "shape-mismatch", "as.scalar: the matrix must be 1 x 1", "as.scalar(k[i])"),
        ("for (i in 2:2) { r = as.scalar(k[i + 1]) }", "index", "[3] is outside of the list", "k[i + 1]"),
    ],
)  # fmt: skip
def test_errors_are_as_ever(text, id, message, source):
    with pytest.raises(DMLError) as caught:
        run(f"l = list(); for (i in 1:2) {{ l = append(l, i) }}\nk = list(1, matrix(0, 2, 2))\nr = 0\n{text}")
    diagnostic = caught.value.diagnostic
    assert diagnostic.id == id and diagnostic.message.startswith(message)
    place = diagnostic.span
    assert place.file.text[place.start : place.end] == source


def test_reading_a_list_that_another_one_has_grown_from_stops_at_its_end():
    with pytest.raises(DMLError) as caught:
        run("""
            l = list(1, 2)
            m = l
            r = 0
            for (i in 1:3) { m = append(m, i); r = r + as.scalar(l[i]) }
        """)
    assert caught.value.diagnostic.message.startswith("[3] is outside of the list of 2 elements")


def test_a_list_in_parallel_iterations():
    assert run("""
        l = list(1, 2, 3)
        R = matrix(0, 3, 1)
        parfor (i in 1:3) {
          k = l
          for (j in 1:i) { k = append(k, j) }
          R[i, 1] = length(k) * 10 + as.scalar(l[i])
        }
        r = sum(R) + length(l)
    """) == 159.0  # fmt: skip
