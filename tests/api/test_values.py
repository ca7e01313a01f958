"""Values that cross between Python and DML: types, refusals, and who owns the memory."""

import sys
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp

import pydml
from pydml import DMLError
from pydml.values.convert import to_dml


def echo(value):
    return pydml.run("Y = X", X=value, outputs="Y").Y


@pytest.mark.parametrize("value", [True, 5, -(2**63), 2.5, float("inf"), "text", ""])
def test_scalars_keep_their_type(value):
    assert echo(value) == value
    assert type(echo(value)) is type(value)


@pytest.mark.parametrize(
    ("value", "type_"),
    [(np.float32(0.5), float), (np.int8(3), int), (np.bool_(True), bool), (np.str_("a"), str), (np.array(2.5), float)],
)
def test_numpy_scalars(value, type_):
    assert type(echo(value)) is type_
    assert echo(value) == value


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.uint8, np.bool_, ">f8"])
def test_matrices_of_other_types_become_double(dtype):
    X = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype)
    assert echo(X).dtype == np.float64
    np.testing.assert_array_equal(echo(X), X.astype(float))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (2, 3)])
def test_shapes(shape):
    assert echo(np.ones(shape)).shape == shape


def test_views_and_memory_orders():
    base = np.arange(24.0).reshape(4, 6)
    for view in (
        base.T,
        base[::2, ::-1],
        np.asfortranarray(base),
        np.broadcast_to(base[0], (3, 6)),
        base.view(np.matrix),
    ):
        np.testing.assert_array_equal(pydml.run("Y = X + 1", X=view).Y, np.asarray(view) + 1)


def test_double_matrices_are_not_copied_on_the_way_in():
    for X in (np.ones((3, 4)), np.asfortranarray(np.ones((3, 4)))):
        inside = to_dml(X, "X")
        assert np.shares_memory(inside, X)
        assert not inside.flags.writeable
        assert X.flags.writeable


def test_the_callers_array_is_never_changed():
    X = np.zeros((2, 2))
    r = pydml.run("X[1, 1] = matrix(5, 1, 1)\nY = X\nY[2, 2] = matrix(6, 1, 1)", X=X, outputs=["X", "Y"])
    assert X.sum() == 0
    assert (r.X.sum(), r.Y.sum()) == (5, 11)
    f = pydml.compile("for (i in 1:2) { X[i, i] = matrix(i, 1, 1) }\nX += 1", inputs=["X"], outputs="X")
    assert f(X=X).X.sum() == 7
    assert X.sum() == 0


def test_results_are_the_callers_own():
    X = np.ones((3, 3))
    r = pydml.run("A = X; B = X * 2; C = B; D = t(B); E = B[1:2, ]; l = list(B, X)", X=X)
    arrays = [X, r.A, r.B, r.C, r.D, r.E, *r.l]
    for i, a in enumerate(arrays):
        assert a.flags.writeable
        for b in arrays[i + 1 :]:
            assert not np.shares_memory(a, b)


def test_constants_of_a_compiled_program_are_not_given_away():
    f = pydml.compile("Y = matrix(1, 2, 2); Z = matrix('1 2', 1, 2)", outputs=["Y", "Z"])
    first = f()
    first.Y[:] = 7
    first.Z[:] = 7
    assert f().Y.sum() == 4
    assert f().Z.sum() == 3


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil"])
def test_sparse_matrices(form):
    dense = np.zeros((20, 30))
    dense[3, 4], dense[7, 0], dense[19, 29] = 1.5, -2, 3
    for make in (sp.csr_array, sp.csr_matrix):
        X = make(dense).asformat(form)
        assert pydml.run("s = sum(X)", X=X).s == 2.5
        Y = echo(X)
        assert isinstance(Y, sp.csr_array)
        np.testing.assert_array_equal(Y.toarray(), dense)


def test_sparse_input_is_neither_changed_nor_shared():
    X = sp.csr_matrix((np.array([1.0, 2, 3, 4]), np.array([2, 0, 1, 1]), np.array([0, 2, 4])), shape=(2, 3))
    data, indices = X.data.copy(), X.indices.copy()
    Y = echo(X)  # unsorted, with a duplicate entry
    np.testing.assert_array_equal(Y.toarray(), [[2, 0, 1], [0, 7, 0]])
    Y.data[:] = 9
    np.testing.assert_array_equal(X.data, data)
    np.testing.assert_array_equal(X.indices, indices)
    Z = sp.csr_array(np.eye(3))
    out = echo(Z)
    out.data[:] = 5
    assert Z.sum() == 3


def test_lists():
    value = [1, 2.5, "a", True, np.ones((2, 2)), [3], {"x": 4, "y": [5]}]
    result = echo(value)
    np.testing.assert_array_equal(result.pop(4), np.ones((2, 2)))
    assert result == [1, 2.5, "a", True, [3], {"x": 4, "y": [5]}]
    assert echo((1, 2)) == [1, 2]
    assert echo({"b": 1, "a": 2}) == {"b": 1, "a": 2}
    assert list(echo({"b": 1, "a": 2})) == ["b", "a"]
    assert echo([]) == []
    assert pydml.run("x = as.scalar(l['a'])", l={"b": 1, "a": 2}).x == 2


@pytest.mark.parametrize(
    ("value", "message", "help"),
    [
        (
            np.ones(3),
            "X has one dimension (3 values); a matrix has two",
            "X[:, None] for a column or X[None, :] for a row",
        ),
        (np.ones((2, 3, 4)), "X has 3 dimensions (2 x 3 x 4); a matrix has two", "X.reshape(len(X), -1)"),
        (np.array([["a", "b"]]), "X is an array of <U1", ""),
        (np.array([[1 + 2j]]), "X is an array of complex128", ""),
        (np.array([[None, 1]]), "X is an array of object", ""),
        (np.ma.masked_array([[1.0, 2.0]], [[True, False]]), "X is a masked array", "filled"),
        (np.array([[2**60]]), "X holds integers beyond 2^53", ""),
        (2**63, "X: 9223372036854775808 does not fit in the 64 bits", "pass a float"),
        (None, "X is None", "leave the argument out"),
        (b"bytes", "X is a bytes, which is no DML value", "pass a number"),
        (Fraction(1, 2), "X is a fractions.Fraction", "pass a number"),
        (object, "X is a type", ""),
        ([1, {2}], "X[1] is a set", ""),
        ({"a": np.ones(2)}, "X['a'] has one dimension (2 values)", ""),
        ({1: 2}, "X: the names of a list must be strings, got 1", ""),
        (sp.csr_array(np.eye(2) * 1j), "X is a sparse matrix of complex128", ""),
        (sp.coo_array(np.ones(3)), "X is a sparse array of 1 dimension", ""),
    ],
)
def test_values_that_are_refused(value, message, help):
    with pytest.raises(DMLError) as error:
        pydml.run("Y = X", X=value)
    assert error.value.id in ("argument-type", "value")
    assert message in error.value.message
    assert help in error.value.diagnostic.help


def test_other_libraries_arrays_are_read_through_their_array_interface():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return np.ones((2, 2))

    class Refusing:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("call detach() first")

    class Table:
        def to_numpy(self):
            return np.ones((2, 2))

    assert echo(Tensor()).shape == (2, 2)
    with pytest.raises(DMLError, match=r"cannot be read as an array: call detach\(\) first"):
        echo(Refusing())
    with pytest.raises(DMLError) as error:
        echo(Table())
    assert error.value.diagnostic.help == "pass X.to_numpy(dtype=float)"


def test_converting_loads_no_large_library():
    before = set(sys.modules)
    echo(np.ones((2, 2)))
    assert not {"pandas", "torch"} & (set(sys.modules) - before)
