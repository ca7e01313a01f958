"""Fused elementwise operations are held equal to their steps run one by one."""

from __future__ import annotations

import numpy as np
import pytest

from pydml.builtins import registry
from pydml.builtins.fused import Step, Template, fused

registry.lookup("+")
from pydml.backends.cpu import fused as backend  # noqa: E402

N, M, F = 37, 1100, 11

rng = np.random.default_rng(7)
X, Y = rng.normal(size=(2, N, M))
ROW, COLUMN, BIAS, ONE = (rng.normal(size=s) for s in ((1, M), (N, 1), (F, 1), (1, 1)))
SPECIAL = X.copy()
SPECIAL[0, :11] = [np.nan, np.inf, -np.inf, 0.0, -0.0, 0.5, -0.5, 1.5, -2.5, 0.49999999999999994, 2.0**52 + 1]
READ_ONLY = X.copy()
READ_ONLY.flags.writeable = False

BINARY = ["+", "-", "*", "/", "min", "max", "==", "!=", "<", "<=", ">", ">=", "&", "|", "xor"]
UNARY = "! sqrt abs sign round floor ceil exp log sin cos tan asin acos atan sinh cosh tanh is.nan is.infinite".split()
UNARY += ["unary -"]
INEXACT = set("exp log sin cos tan asin acos atan sinh cosh tanh".split())

CASES = [
    *[([(op, (0, 1)), ("+", (-1, 2))], [SPECIAL, Y, X]) for op in BINARY],
    *[([(op, (0, 1)), ("+", (-1, 2))], [SPECIAL, 0.5, X]) for op in BINARY],
    *[([(op, (0, 1)), ("+", (-1, 2))], [2, SPECIAL, X]) for op in BINARY],
    *[([(op, (0, 1)), ("*", (-1, 2))], [SPECIAL, v, X]) for op in ("-", "/", "max") for v in (ROW, COLUMN, ONE)],
    *[([(op, (0,)), ("+", (-1, 1))], [SPECIAL, Y]) for op in UNARY],
    *[([(op, (0, 1)), ("abs", (-1,))], [SPECIAL, BIAS]) for op in ("bias_add", "bias_multiply")],
    ([("^", (0, 1)), ("-", (-1, 0))], [SPECIAL, 2]),
    ([("^", (0, 1)), ("-", (-1, 0))], [SPECIAL, 3.0]),
    ([("+", (0, 1)), ("sqrt", (-1,)), ("/", (2, -2))], [np.abs(ROW), 1e-3, X]),
    ([("bias_multiply", (0, 1)), ("*", (-1, 2)), ("-", (-2, 3))], [X, BIAS, ROW, COLUMN]),
    ([("*", (0, 1)), ("*", (2, 1)), ("-", (-1, -2))], [X, Y, ROW]),  # a row on the left is an error
    ([("*", (0, 1)), ("-", (-1, 2))], [X.T, Y.T, X.T]),
    ([("*", (0, 1)), ("-", (-1, 2))], [X.T, Y.T, 0.5]),
    ([("*", (0, 1)), ("sum", (-1,))], [X.T, Y.T]),
    ([("*", (0, 1)), ("-", (-1, 2))], [X.T, COLUMN.T, ROW.T]),
    ([("*", (0, 1)), ("-", (-1, 2))], [X.T, np.ascontiguousarray(Y.T), 2]),
    ([("*", (0, 1)), ("replace NaN", (-1, 2))], [SPECIAL, X, 0.5]),
    ([("replace NaN", (0, 1)), ("exp", (-1,))], [SPECIAL, 2]),
    ([("replace NaN", (0, 1))], [SPECIAL, 2]),
    ([("*", (0, 1)), ("-", (-1, 2))], [READ_ONLY, Y, READ_ONLY]),
    *[([("*", (0, 1)), (r, (-1,))], [X, Y]) for r in ("sum", "rowSums", "colSums")],
    *[([("bias_add", (0, 1)), (r, (-1,))], [X, BIAS]) for r in ("sum", "rowSums", "colSums")],
    *[([("exp", (0,)), (r, (-1,))], [X]) for r in ("sum", "rowSums", "colSums")],
]


@pytest.fixture(params=["machine", "ufuncs"])
def way(request, monkeypatch):
    monkeypatch.setattr(backend, "_work", 0)
    for threshold in ("MACHINE_WORK", "MACHINE_SUM"):
        monkeypatch.setattr(backend, threshold, 0 if request.param == "machine" else 10**18)
    monkeypatch.setattr(backend, "BLOCK_CELLS", 5000)
    return request.param


def values(result):
    return np.atleast_2d(np.asarray(result))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("steps", "inputs"), CASES, ids=lambda v: "-".join(s[0] for s in v) if isinstance(v[0], tuple) else ""
)
def test_equals_single_steps(way, steps, inputs, dtype):
    inputs = [x.astype(dtype, copy=False) if isinstance(x, np.ndarray) else x for x in inputs]
    template = Template(tuple(Step(*s) for s in steps), (None,) * len(steps))
    with np.errstate(all="ignore"):
        try:
            expected = fused.meaning(template, (), *inputs)
        except Exception as error:
            with pytest.raises(type(error)):
                backend.fused_blocks(template, (), *inputs)
            return
        found = backend.fused_blocks(template, (), *inputs)
    assert values(found).dtype == values(expected).dtype
    exact = steps[-1][0] not in ("sum", "rowSums", "colSums")
    if exact and not {s[0] for s in steps} & INEXACT:
        np.testing.assert_array_equal(values(found), values(expected))
        np.testing.assert_array_equal(np.signbit(values(found)), np.signbit(values(expected)))
    else:  # sums in another order; NumPy's functions differ in the last bit with the alignment of the data
        scale = np.nanmax(np.abs(values(expected)), initial=1, where=np.isfinite(values(expected)))
        np.testing.assert_allclose(
            values(found),
            values(expected),
            rtol=1e-5 if dtype == np.float32 else 1e-12,
            atol=scale * (1e-6 if dtype == np.float32 else 1e-13),
        )


def test_result_does_not_depend_on_threads(way):
    from pydml.backends.cpu.threads import limit

    steps = (Step("*", (0, 1)), Step("sum", (-1,)))
    results = []
    for n in (1, 2):
        with limit(n):
            results.append(backend.fused_blocks(Template(steps, (None, None)), (), X, Y))
    assert results[0] == results[1]


def test_memory_of_a_dying_input_is_reused_only_if_nobody_else_holds_it(way):
    template = Template((Step("*", (0, 1)), Step("+", (-1, 2))), (None, None))

    def own():
        A = X.copy()
        address = A.ctypes.data
        A = backend.fused_blocks(template, (0,), A, 2.0, Y)
        return A, address

    def held():
        A = X.copy()
        B = A
        A = backend.fused_blocks(template, (0,), A, 2.0, Y)
        return A, B

    A, address = own()
    assert A.ctypes.data == address
    A, B = held()
    np.testing.assert_array_equal(B, X)
    np.testing.assert_array_equal(A, X * 2 + Y)
    view = X.copy()[1:]
    whole = view.base.copy()
    backend.fused_blocks(template, (0,), view, 2.0, Y[1:])
    np.testing.assert_array_equal(view.base, whole)


@pytest.mark.parametrize("reduction", ["sum", "colSums", "rowSums"])
def test_sums_do_not_depend_on_what_the_process_computed_before(monkeypatch, reduction):
    template = Template((Step("*", (0, 1)), Step(reduction, (-1,))), (None, None))
    results = []
    for work in (0, 10**18):
        monkeypatch.setattr(backend, "_work", work)
        results.append(values(backend.fused_blocks(template, (), X, Y)))
    assert np.array_equal(*results)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_sum_of_products_is_a_scalar_product_and_exact_where_that_overflows(dtype):
    product = Template((Step("*", (0, 1)), Step("sum", (-1,))), (None, None))
    square = Template((Step("^", (0, 1)), Step("sum", (-1,))), (None, None))
    a, b = X.astype(dtype), Y.astype(dtype)
    tolerance = 1e-6 if dtype == np.float32 else 1e-13
    scale = np.sum(np.abs(X * Y))
    assert abs(backend.fused_blocks(product, (), a, b) - np.sum(X * Y)) <= tolerance * scale
    assert backend.fused_blocks(square, (), a, 2) == pytest.approx(np.sum(X * X), rel=tolerance)
    large = np.full((N, M), np.sqrt(np.finfo(dtype).max) / 2, dtype)
    expected = np.inf if dtype == np.float64 else N * M * float(large[0, 0]) ** 2
    assert backend.fused_blocks(square, (), large, 2) == pytest.approx(expected, rel=1e-5)
    large[3, 7] = np.nan
    assert np.isnan(backend.fused_blocks(square, (), large, 2))
