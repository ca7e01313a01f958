"""Expressions in which a sparse matrix meets a product U %*% V: sampled at its cells, and equal to the dense meaning."""

from __future__ import annotations

import numpy as np
import pytest

import pydml
from pydml import DMLError
from pydml.backends.sparse import sampled

SHAPE = (90, 70)

SAMPLED = [
    "sum((S != 0) * (S - U %*% t(V))^2)",
    "sum(S * (S - U %*% t(V))^2)",
    "sum(W * (S - U %*% t(V))^2)",
    "sum((S - (S != 0) * (U %*% t(V)))^2)",
    "S * (U %*% t(V))",
    "sum(S * log(U %*% t(V) + 1))",
    "sum(S * log(U %*% t(V) + 1e-15))",
    "S * exp(U %*% t(V))",
    "S * sigmoid(U %*% t(V))",
    "S * log(sigmoid(-(U %*% t(V))))",
    "S / (U %*% t(V) + 0.5)",
    "(U %*% t(V)) * S * a + S * b",
    "(S / (U %*% t(V) + 0.1)) %*% V",
    "t(U) %*% (S / (U %*% t(V) + 0.1))",
    "rowSums(S * (U %*% t(V)))",
    "colSums((S > 0.5) * abs(S - U %*% t(V)))",
    "S * (U %*% t(V) - 1) ^ 3",
    "S * sqrt(U %*% t(V))",
    "S * min(U %*% t(V), 1) * max(D, U %*% t(V))",
    "S * (D * (U %*% t(V)))",
]  # fmt: skip

WHOLE = [
    "sum((S - U %*% t(V))^2)",  # not 0 beside the cells of S
    "S + U %*% t(V) * S * 0 + 1 * (U %*% t(V))",
    "S * log(U %*% t(V) - 1)",  # may be NaN
    "S / (U %*% t(V) - 1)",  # may divide by 0
    "S * (1 / (U %*% t(V) - 1))",
    "(U %*% t(V)) / S",
    "S * exp(1000 * (U %*% t(V)))",
]


def values(dtype=np.float64, **changes):
    rng = np.random.default_rng(3)
    m, n = SHAPE
    found = {
        "S": rng.random((m, n)) * (rng.random((m, n)) < 0.05),
        "W": rng.random((m, n)) * (rng.random((m, n)) < 0.05),
        "D": rng.random((m, n)),
        "U": rng.random((m, 5)),
        "V": rng.random((n, 5)),
        "a": rng.random((m, 1)),
        "b": rng.random((1, n)),
    }
    return found | changes


def evaluate(expression, inputs, sparse=True, **options):
    """The cells; sparse: S and W are sparse.  In a function, so that sizes are not known before."""
    from scipy.sparse import csr_matrix

    inputs = {k: csr_matrix(v) if k in "SW" and sparse else v for k, v in inputs.items()}
    names = ", ".join(f"matrix[double] {k}" for k in inputs)
    source = (
        f"f = function({names}) return (matrix[double] R) {{ for (i in 1:1) {{ R = as.matrix({expression}) }} }}\n"
        f"R = f({', '.join(inputs)})"
    )
    result = pydml.run(source, inputs=inputs, outputs=["R"], **options)["R"]
    return result.toarray() if hasattr(result, "toarray") else np.asarray(result)


@pytest.fixture
def counted(monkeypatch):
    """How many expressions were sampled."""
    counts = []
    evaluated = sampled._evaluate

    def count(*args):
        counts.append(1)
        return evaluated(*args)

    monkeypatch.setattr(sampled, "_evaluate", count)
    return counts


@pytest.mark.parametrize("expression", SAMPLED)
def test_sampled(expression, counted):
    found = evaluate(expression, values())
    assert len(counted) == 1
    np.testing.assert_allclose(found, evaluate(expression, values(), sparse=False), rtol=1e-12)
    np.testing.assert_allclose(found, evaluate(expression, values(), optimize=False), rtol=1e-12)


@pytest.mark.parametrize("expression", WHOLE)
def test_where_the_cells_do_not_suffice_the_product_is_whole(expression, counted):
    with np.errstate(all="ignore"):
        found = evaluate(expression, values())
        assert not counted
        np.testing.assert_allclose(found, evaluate(expression, values(), sparse=False), rtol=1e-12)


@pytest.mark.parametrize("name", ["U", "V", "a", "D"])
@pytest.mark.parametrize("wild", [np.nan, np.inf])
def test_a_wild_factor_shows_beside_the_cells(name, wild, counted):
    inputs = values()
    inputs[name][3, 0] = wild
    expression = "S * (U %*% t(V)) * a * D"
    found = evaluate(expression, inputs)
    assert not counted and np.isnan(found).any()
    np.testing.assert_array_equal(np.isnan(found), np.isnan(evaluate(expression, inputs, sparse=False)))


@pytest.mark.parametrize("wild", [np.nan, np.inf])
def test_a_wild_cell_of_the_sparse_matrix_stays_there(wild, counted):
    inputs = values()
    i, j = np.argwhere(inputs["S"])[0]
    inputs["S"][i, j] = wild
    found = evaluate("S * (U %*% t(V))", inputs)
    assert counted
    np.testing.assert_allclose(found, evaluate("S * (U %*% t(V))", inputs, sparse=False), rtol=1e-12)


@pytest.mark.parametrize("shape", [(1, 70), (90, 1), (1, 1)])
def test_vectors(shape):
    m, n = shape
    inputs = values()
    inputs |= {"S": inputs["S"][:m, :n], "U": inputs["U"][:m], "V": inputs["V"][:n]}
    inputs = {k: inputs[k] for k in "SUV"}
    for expression in ("S * (U %*% t(V))", "sum((S != 0) * (S - U %*% t(V))^2)"):
        dense = evaluate(expression, inputs, sparse=False)
        np.testing.assert_allclose(evaluate(expression, inputs), dense, rtol=1e-12)


def test_no_cells(counted):
    inputs = values(S=np.zeros(SHAPE))
    assert evaluate("sum((S != 0) * (S - U %*% t(V))^2)", inputs) == 0
    assert not evaluate("S / (U %*% t(V) + 1)", inputs).any()
    assert len(counted) == 2


def test_single_precision(counted):
    expression = "S * log(U %*% t(V) + 0.5)"
    found = evaluate(expression, values(), precision="single")
    assert counted
    np.testing.assert_allclose(found, evaluate(expression, values(), sparse=False), rtol=1e-5, atol=1e-6)


def test_a_large_product_is_compiled(counted, monkeypatch):
    from pydml.backends.sparse import product

    monkeypatch.setattr(product, "_COMPILED_WORK", 1)
    expression = "sum((S != 0) * (S - U %*% t(V))^2)"
    found = evaluate(expression, values())
    assert counted
    np.testing.assert_allclose(found, evaluate(expression, values(), sparse=False), rtol=1e-12)


def test_intervals_hold_the_values():
    """Random steps on random intervals: no value at a cell lies outside."""
    from pydml.builtins import registry

    rng = np.random.default_rng(1)
    unary = "unary - exp log sqrt abs sign floor ceil sin cos tanh !".replace("unary -", "unary_-").split()
    binary = "+ - * / ^ < <= > >= == != & | min max".split()
    shown = 0
    for _ in range(600):
        ends = np.sort(rng.integers(-3, 4, (2, 2)) * rng.choice([0.5, 1.0]), axis=1)
        name = str(rng.choice(unary + binary)).replace("_", " ")
        count = 1 if name.replace(" ", "_") in unary else 2
        if name == "^":
            ends[1, 1] = ends[1, 0]
        meaning = registry.get(name).meaning
        args = [(low, high) for low, high in ends[:count]]
        with np.errstate(all="ignore"):
            found = sampled._step_interval(name, meaning, args, False, np.dtype("float64"))
            cells = [rng.uniform(low, high, (1, 50)) for low, high in args]
            for c, (low, high) in zip(cells, args, strict=True):
                c[0, :3] = low, high, np.clip(0.0, low, high)
            if found is not None:
                result = meaning(*cells)
                assert (result >= found[0] - 1e-12).all() and (result <= found[1] + 1e-12).all(), (name, args, found)
                shown += 1
    assert shown > 300


def test_sizes_that_do_not_fit_are_explained_at_the_product():
    source = """f = function(matrix[double] S, matrix[double] U, matrix[double] V) return (matrix[double] R) {
  for (i in 1:1) {
    R = (S *
      U %*% V)
  }
}
R = f(rand(rows=200, cols=300, sparsity=0.01), rand(rows=200, cols=3), rand(rows=4, cols=300))"""
    with pytest.raises(DMLError) as error:
        pydml.run(source, outputs=["R"])
    assert error.value.diagnostics[0].id == "shape-mismatch"
    assert error.value.diagnostics[0].span.line == 4
