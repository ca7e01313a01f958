"""source: DML files as Python objects."""

import inspect

import numpy as np
import pytest

import pydml
from pydml import DMLError
from pydml.testing.gradcheck import GradientError, gradcheck, numeric_gradient

LIBRARY = """
# Functions for tests.

x = $nothing
print("not run")

scale = function(matrix[double] X, double lambda = 0.5, boolean negate = FALSE)
  return (matrix[double] R, double total) {
  /*
   * X times lambda.
   *
   * Inputs: X: any matrix.
   */
  R = X * ifelse(negate, -lambda, lambda)
  total = sum(R)
}
identity = function(matrix[double] X) return (matrix[double] Y) { Y = X }
update = function(matrix[double] X) return (matrix[double] X) { X[1, 1] = matrix(9, 1, 1) }
show = function(string text) { print(text) }
fails = function(double x) return (double y) { if (x > 0) { stop("bad " + x) }
  y = x }
lists = function(list[unknown] l) return (list[unknown] r, int n) { r = list(first=l[1], other="b"); n = length(l) }
computed = function(matrix[double] X, int n = 2 + 3, matrix[double] W = matrix(1, 1, 1)) return (double y) { y = n * sum(W) + sum(X) }
late = function(int a = 1, int b) return (int c) { c = 10 * a + b }
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("library") / "library.dml"
    path.write_text(LIBRARY)
    return pydml.source(path)


X = np.arange(6.0).reshape(2, 3)


def test_positional_and_named_arguments_and_defaults(library):
    for result in (
        library.scale(X),
        library.scale(X, 0.5),
        library.scale(X=X),
        library.scale(X, negate=False, lambda_=0.5),
    ):
        np.testing.assert_array_equal(result.R, X * 0.5)
        assert result.total == 7.5
    R, total = library.scale(X, negate=True, **{"lambda": 2})
    np.testing.assert_array_equal(R, -2 * X)
    assert total == -30


def test_results(library):
    assert type(library.identity(X)) is np.ndarray
    assert library.scale(X)._fields == ("R", "total")
    assert library.show("text") is None
    r, n = library.lists([X, 5])
    assert n == 2
    np.testing.assert_array_equal(r["first"][0], X)


def test_memory_is_not_shared(library):
    assert not np.shares_memory(library.identity(X), X)
    before = X.copy()
    assert library.update(X)[0, 0] == 9
    np.testing.assert_array_equal(X, before)


def test_defaults_that_are_expressions(library):
    assert library.computed(X) == 20.0
    assert library.computed(X, 1) == 16.0
    assert library.computed(X, W=np.ones((2, 2))) == 35.0
    assert library.late(b=2) == 12


def test_print_goes_to_standard_output(library, capsys):
    library.show("text")
    assert capsys.readouterr().out == "text\n"


def test_documentation_and_signature(library):
    assert library.__doc__ == "Functions for tests."
    assert library.scale.__doc__.startswith("X times lambda.\n\nInputs: X")
    assert library.scale.__name__ == "scale"
    assert str(inspect.signature(library.scale)) == "(X: 'matrix', lambda_: 'double' = 0.5, negate: 'boolean' = False)"
    assert str(inspect.signature(library.late)) == "(a: 'int' = 1, *, b: 'int')"
    assert "2 + 3" in str(inspect.signature(library.computed))
    assert "scale" in dir(library)
    assert "scale, identity" in repr(library)
    assert repr(library.identity) == "<DML function identity(X: matrix) -> Y: matrix>"


def test_mistakes_in_calls(library):
    for call, message in [
        (lambda: library.scale(), "the argument X is missing"),
        (lambda: library.scale(X, 1, False, 4), "too many arguments"),
        (lambda: library.scale(X, lamda=1), "no parameter lamda"),
        (lambda: library.scale(X, X=X), "given twice"),
        (lambda: library.scale(X[0]), "X has one dimension"),
        (lambda: library.scale("text"), "X"),
    ]:
        with pytest.raises(DMLError, match=message):
            call()
    with pytest.raises(AttributeError, match=r"no function scal; did you mean scale\?"):
        _ = library.scal


def test_errors_inside(library):
    with pytest.raises(DMLError) as error:
        library.fails(2)
    assert error.value.message == "bad 2.0"
    assert error.value.line == 20


def test_bundled_library():
    relu = pydml.source("nn/layers/relu.dml")
    np.testing.assert_array_equal(relu.forward(X - 2), np.maximum(X - 2, 0))
    np.testing.assert_array_equal(pydml.source("scripts/nn/layers/relu.dml").forward(X - 2), np.maximum(X - 2, 0))
    assert (
        relu.forward(
            X,
        )
        is not X
    )


def test_sparse_arguments(library):
    import scipy.sparse as sp

    S = sp.random_array((30, 20), density=0.1, rng=np.random.default_rng(1))
    assert library.scale(S).total == pytest.approx(0.5 * S.sum())


def test_single_precision(tmp_path):
    path = tmp_path / "f.dml"
    path.write_text("f = function(matrix[double] X) return (matrix[double] Y) { Y = X + 1 }")
    assert pydml.source(path, precision="single").f(X).dtype == np.float32


# ---- gradcheck


def layer(tmp_path, derivative):
    path = tmp_path / "layer.dml"
    path.write_text(
        "forward = function(matrix[double] X, matrix[double] b) return (matrix[double] out, matrix[double] cache)"
        " { cache = X^3; out = cache + b }\n"
        "backward = function(matrix[double] dout, matrix[double] cache, matrix[double] X) return (matrix[double] dX, matrix[double] db)"
        f" {{ dX = {derivative}; db = colSums(dout) }}\n"
    )
    return pydml.source(path)


def test_gradcheck(tmp_path):
    rng = np.random.default_rng(3)
    inputs = {"X": rng.normal(size=(4, 3)), "b": rng.normal(size=(1, 3))}
    right = layer(tmp_path, "dout * 3 * X^2")
    errors = gradcheck(right.forward, right.backward, **inputs)
    assert set(errors) == {"X", "b"}
    assert max(errors.values()) < 1e-8
    assert set(gradcheck(right.forward, right.backward, wrt=["X"], **inputs)) == {"X"}
    for wrong, message in [
        ("dout * 2 * X^2", r"dX\[\d,\d\] is .*, central differences give .*: relative error"),
        ("dout * 3 * X^2 + 1e-4", "relative error"),
        ("dout * (0/0)", "dX"),
        ("colSums(dout)", "dX is 1 x 3, but X is 4 x 3"),
    ]:
        layer_ = layer(tmp_path, wrong)
        with pytest.raises(GradientError, match=message):
            gradcheck(layer_.forward, layer_.backward, **inputs)


def test_gradcheck_of_a_loss():
    loss = pydml.source("nn/layers/cross_entropy_loss.dml")
    pred = np.random.default_rng(1).uniform(0.1, 0.9, size=(4, 3))
    assert gradcheck(loss.forward, loss.backward, pred=pred, y=np.eye(4)[:, :3])["pred"] < 1e-8


def test_gradcheck_with_nothing_to_compare(library):
    with pytest.raises(ValueError, match="takes no gradient"):
        gradcheck(library.identity, library.update, X=X)


def test_numeric_gradient_of_chosen_cells():
    found = numeric_gradient(lambda X: float((X**2).sum()), np.arange(100.0).reshape(10, 10), cells=7)
    assert len(found) == 7
    for (i, j), derivative in found.items():
        assert derivative == pytest.approx(2 * (10 * i + j), rel=1e-7)
