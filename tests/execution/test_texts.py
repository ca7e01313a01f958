"""Texts joined by `+` become f-strings: the same texts as the operator itself makes, one pair after the other."""

from __future__ import annotations

import itertools

import pytest

from pydml.builtins import registry
from pydml.diagnostics import SourceFile
from pydml.execution.context import Context
from pydml.execution.executable import Executable, compile_program

VALUES = {
    "i": -7,
    "big": 2**63 - 1,
    "x": 1e10,
    "nan": float("nan"),
    "b": True,
    "s": "{a}%\"'\\",
    "e": "",
}


def compiled(expression: str) -> Executable:
    from pydml.values import type_of

    types = {name: type_of(value).without_const() for name, value in VALUES.items()}
    return compile_program(SourceFile("<test>", f"r = {expression}"), inputs=types, outputs=["r"])


@pytest.mark.parametrize("first", VALUES)
def test_three_parts(first):
    add = registry.get("+").run
    for second, third in itertools.product(VALUES, VALUES):
        if isinstance(VALUES[first], str) or isinstance(VALUES[second], str):
            executable = compiled(f'{first} + {second} + {third} + "}};"')
            expected = add(add(add(VALUES[first], VALUES[second]), VALUES[third]), "};")
            assert executable.run(Context(), VALUES)["r"] == expected, f"{first} + {second} + {third}"


def test_the_right_side_may_be_joined_first():
    executable = compiled('i + (s + (x + "," + i)) + (i + i)')
    assert executable.run(Context(), VALUES)["r"] == "-7{a}%\"'\\1.0E10,-7-14"


def test_a_text_that_grows_is_made_longer_in_place():
    text = 's = ""\nfor (i in 1:1000) { s = s + i + ";" }\nr = s'
    executable = compile_program(SourceFile("<test>", text), outputs=["r"])
    assert "s = s + f'{i};'" in executable.explain("python")
    assert executable.run(Context())["r"] == "".join(f"{i};" for i in range(1, 1001))
