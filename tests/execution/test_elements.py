"""`as.matrix(l[i])`, `as.list(l[i])` and `as.scalar(l[i])` take the element itself, and mean what they mean with the list of one element."""

import numpy as np
import pytest

import pydml
from pydml import DMLError

VALUES = {
    "matrix": 'matrix("1 2 3", rows=1, cols=3)',
    "cell": "matrix(7, rows=1, cols=1)",
    "number": "2.5",
    "boolean": "TRUE",
    "text": '"4"',
    "word": '"abc"',
    "list": "list(1, 2)",
    "list of a list": "list(list(1, 2))",
    "list of a matrix": "list(matrix(3, rows=1, cols=2))",
    "frame": "as.frame(matrix(5, rows=1, cols=2))",
    "sparse": "rand(rows=90, cols=90, sparsity=0.01, seed=1)",
}


def outcome(script, **options):
    """What a script prints, or its error with its place in the line."""
    try:
        return pydml.run(script, outputs=["r"], **options)["r"]
    except DMLError as error:
        return str(error)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("function", ["as.matrix", "as.list", "as.scalar"])
@pytest.mark.parametrize("index", ["2", '"b"', "k", "2.0"])
def test_an_element_is_what_the_list_of_it_is(value, function, index):
    read = "r = toString({})" if function != "as.list" else "r = length({})"
    made = f"l = list(a=1, b={value})\nk = 1\nwhile (k < 2) {{ k = k + 1 }}\n"
    # a variable that is used twice keeps the list of one element
    plain = outcome(f"{made}p = l[{index}]\nn = length(p)\n" + read.format(f"{function}(p)"))
    fast = outcome(made + read.format(f"{function}(l[{index}])"))
    if "error[" in str(plain):
        assert first_line(fast) == first_line(plain)
    else:
        assert fast == plain


def first_line(text):
    return text.splitlines()[0]


@pytest.mark.parametrize(
    ("index", "message"),
    [("3", "[3] is outside of the list of 2 elements"), ("0", "[0] is outside"), ('"c"', "no element called 'c'")],
)
@pytest.mark.parametrize("function", ["as.matrix", "as.list", "as.scalar"])
def test_an_index_outside_is_shown_where_it_stands(function, index, message):
    script = f"l = list(a=1, b=2)\nk = {index}\nwhile (FALSE) {{ k = 1 }}\nr = {function}(l[k])"
    with pytest.raises(DMLError) as error:
        pydml.run(script, outputs=["r"])
    assert message in str(error.value)
    assert error.value.diagnostics[0].id == "index"
    span = error.value.diagnostics[0].span
    assert span.file.text[span.start : span.end] == "l[k]"


def test_an_element_that_was_read_is_not_kept_alive():
    # after the read, the list holds the matrix and X alone: replaced in the list, it is X's own and written in place
    script = """
    l = list(matrix(1, rows=1000, cols=10))
    X = as.matrix(l[1])
    l[1] = 0
    X[1, 1] = 5
    r = sum(X)
    """
    assert pydml.run(script, outputs=["r"])["r"] == 10004
    np.testing.assert_equal(
        pydml.run("l = list(matrix(1, 1, 2))\nX = as.matrix(l[1])\nX[1, 1] = 5\nr = as.matrix(l[1])", outputs=["r"])[
            "r"
        ],
        [[1, 1]],
    )
