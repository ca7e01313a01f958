"""Right and left indexing of dense matrices and lists; sparse ones are in test_b_sparse_reorg.py."""

import numpy as np
import pytest

from pydml.builtins.indexing import assign_in_place, assigned_type, cell, index_type
from pydml.builtins.registry import get
from pydml.diagnostics import DMLError
from pydml.types import ANY_LIST, INT_SCALAR, matrix_type, scalar_type
from pydml.values import List
from pydml.values.typing import NULL

X = np.arange(12.0).reshape(3, 4)
LIST = List([1, 2.5, "x"], ["a", "b", "c"])


def index(value, *range_):
    return get("[]")(value, *range_)


@pytest.mark.parametrize(
    "range_, expected",
    [
        ((1, 1, None, None), X[:1]),
        ((2, 3, None, None), X[1:]),
        ((None, None, 2, 2), X[:, 1:2]),
        ((2, 3, 1, 4), X[1:]),
        ((2, 2, 4, 4), [[7.0]]),
        ((None, None, None, None), X),
        ((2.9999999999999996, 3.2, 1, 1), X[1:, :1]),
        ((0.9999999999999999, 1, 1, 1), [[0.0]]),
    ],
)
def test_ranges(range_, expected):
    np.testing.assert_array_equal(index(X, *range_), expected)


def test_rows_and_columns_are_views_but_a_cell_is_not():
    assert index(X, 2, 3, None, None).base is X or np.shares_memory(index(X, 2, 3, None, None), X)
    assert np.shares_memory(index(X, None, None, 2, 3), X)
    assert not np.shares_memory(index(X, 1, 1, 1, 1), X)


BAD_RANGES = [
    ((4, 4, 1, 1), "[4, 1] is outside of the matrix of 3 x 4"),
    ((0, 0, None, None), "indexes start at 1"),
    ((1, 4, None, None), "[1:4, ] is outside"),
    ((None, None, 5, 5), "[ , 5] is outside"),
    ((1, 1, -1, 2), "[1, -1:2] is outside"),
    ((3, 2, None, None), "the row range 3:2 is empty"),
    ((1, 1, 1, 0), "the column range 1:0 is empty"),
    ((0.5, 1, 1, 1), "outside"),
]


@pytest.mark.parametrize("range_, message", BAD_RANGES)
def test_ranges_are_never_clipped(range_, message):
    value = np.ones((1, 1))
    writable = X.copy()
    for call in (
        lambda: index(X, *range_),
        lambda: get("[]=")(X, *range_, value),
        lambda: assign_in_place(writable, *range_, value),
    ):
        with pytest.raises(DMLError) as error:
            call()
        assert error.value.id == "index"
        assert message in str(error.value)
    np.testing.assert_array_equal(writable, X)


def test_a_matrix_is_no_index():
    with pytest.raises(DMLError, match="rl must be a scalar, got a matrix 1 x 1"):
        index(X, np.ones((1, 1)), np.ones((1, 1)), None, None)


@pytest.mark.parametrize("i", [True, "a"])
def test_an_index_is_a_number(i):
    for call in (lambda: index(X, i, i, None, None), lambda: index(X, None, None, i, i), lambda: cell(X, i, 1)):
        with pytest.raises(DMLError, match="number") as error:
            call()
        assert error.value.id == "argument-type"
    with pytest.raises(DMLError, match="got a boolean"):
        index(LIST, True, True, None, None)
    with pytest.raises(DMLError, match="row indexes of a matrix are numbers"):
        index_type(matrix_type(3, 4), scalar_type(i), scalar_type(i), NULL, NULL)


def test_cell():
    assert cell(X, 2, 3) == 6.0 and type(cell(X, 2, 3)) is float
    assert cell(X, 2.7, 1) == 4.0
    assert cell(np.ones((1, 1), np.float32), 1, 1) == 1.0
    for i, j in ((0, 1), (4, 1), (1, 5), (1, 0), (-1, 1)):
        with pytest.raises(DMLError, match="outside of the matrix of 3 x 4"):
            cell(X, i, j)


ASSIGNMENTS = [
    ((2, 2, 3, 3), 9.5),
    ((2, 2, 3, 3), 9),
    ((2, 2, 3, 3), True),
    ((2, 2, None, None), np.full((1, 4), 7.0)),
    ((None, None, 1, 2), np.full((3, 2), 7.0)),
    ((None, None, None, None), np.zeros((3, 4))),
    ((1, 1, 1, 1), np.full((1, 1), 3.0)),
]


@pytest.mark.parametrize("range_, value", ASSIGNMENTS)
def test_assignment(range_, value):
    rl, ru, cl, cu = range_
    expected = X.copy()
    expected[(slice(None) if rl is None else slice(rl - 1, ru)), (slice(None) if cl is None else slice(cl - 1, cu))] = (
        value
    )
    before = X.copy()
    np.testing.assert_array_equal(get("[]=")(X, *range_, value), expected)
    np.testing.assert_array_equal(X, before)
    target = X.copy()
    assert assign_in_place(target, *range_, value) is target
    np.testing.assert_array_equal(target, expected)


def test_in_place_copies_what_may_not_be_written():
    frozen = X.copy()
    frozen.flags.writeable = False
    result = assign_in_place(frozen, 1, 1, 1, 1, 5.0)
    assert result is not frozen and result[0, 0] == 5.0 and frozen[0, 0] == 0.0


@pytest.mark.parametrize(
    "range_, value, id, message",
    [
        ((1, 2, 1, 1), 3.0, "shape-mismatch", "a scalar can be assigned to one cell only; this range is 2 x 1"),
        ((1, 1, None, None), 3.0, "shape-mismatch", "this range is 1 x 4"),
        ((1, 2, 1, 1), np.ones((1, 1)), "shape-mismatch", "the range is 2 x 1, the value assigned to it 1 x 1"),
        ((1, 1, None, None), np.ones((4, 1)), "shape-mismatch", "the range is 1 x 4, the value assigned to it 4 x 1"),
        ((1, 1, 1, 1), "a", "argument-type", "must be a number, got a string"),
        ((1, 1, 1, 1), List([1]), "type", "a list cannot be assigned to a part of a matrix"),
    ],
)
def test_assignments_that_do_not_fit(range_, value, id, message):
    for call in (get("[]="), assign_in_place):
        with pytest.raises(DMLError) as error:
            call(X.copy(), *range_, value)
        assert error.value.id == id and message in str(error.value)


def test_list_ranges():
    assert index(LIST, 2, 2, None, None).items == (2.5,)
    assert index(LIST, 1.7, 1.7, None, None).items == (1,)
    part = index(LIST, "b", "c", None, None)
    assert part.items == (2.5, "x") and part.names == ("b", "c")
    assert index(LIST, 3, 2, None, None).items == ()
    for range_, message in (
        ((4, 4), "[4] is outside of the list of 3 elements"),
        ((2, 4), "[2:4] is outside of the list of 3 elements"),
        ((0, 1), "indexes start at 1"),
        (("z", "z"), "the list has no element called 'z'"),
    ):
        with pytest.raises(DMLError) as error:
            index(LIST, *range_, None, None)
        assert error.value.id == "index" and message in str(error.value)
    with pytest.raises(DMLError, match="its elements have no names"):
        index(List([1]), "a", "a", None, None)
    with pytest.raises(DMLError, match="a list has one index"):
        index(LIST, 1, 1, 2, 2)
    assert index(LIST, 2, 2, 1, 1).items == LIST.items[1:2]  # a list has one column


def test_list_assignment():
    assign = get("[]=")
    assert assign(LIST, 2, 2, None, None, 7).items == (1, 7, "x")
    assert assign(LIST, "c", "c", None, None, List([X])).items[2] is X
    assert assign(LIST, "a", "b", None, None, List([5, 6])).items == (5, 6, "x")
    assert assign(LIST, "a", "b", None, None, List([5, 6])).names == ("a", "b", "c")
    assert LIST.items == (1, 2.5, "x")
    for range_, value, id in (
        ((2, 2), List([5, 6]), "shape-mismatch"),
        ((2, 3), 5, "shape-mismatch"),
        ((4, 4), 1, "index"),
    ):
        with pytest.raises(DMLError) as error:
            assign(LIST, *range_, None, None, value)
        assert error.value.id == id


def test_types_before_the_run():
    i, two, three = INT_SCALAR, scalar_type(2), scalar_type(3.7)
    M = matrix_type(3, 4)
    assert index_type(M, two, three, NULL, NULL) == matrix_type(2, 4)
    assert index_type(M, i, i, NULL, NULL, single_row=True) == matrix_type(1, 4)
    assert index_type(M, i, i, two, two) == matrix_type(None, 1)
    assert index_type(ANY_LIST._replace(rows=3), two, three, NULL, NULL).rows == 2
    for call in (
        lambda: index_type(M, scalar_type(4), scalar_type(4), NULL, NULL),
        lambda: index_type(M, three, two, NULL, NULL),
        lambda: index_type(ANY_LIST._replace(rows=1), two, two, NULL, NULL),
        lambda: assigned_type(M, two, two, scalar_type(5), scalar_type(5), scalar_type(1.0)),
    ):
        with pytest.raises(DMLError) as error:
            call()
        assert error.value.id == "index"
    with pytest.raises(DMLError, match="this range is 2 x 4"):
        assigned_type(M, two, three, NULL, NULL, scalar_type(1.0))
    with pytest.raises(DMLError, match="the range is 1 x \\?, the value assigned to it 2 x 2"):
        assigned_type(M, two, two, i, i, matrix_type(2, 2))
