"""Builtins for output, casts, construction, random numbers, lists and reorganisation: what their cases do not show."""

import io

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pydml.builtins import registry
from pydml.builtins.random import BLOCK, _generator, _restart, _SparseBlocks, each_block
from pydml.builtins.registry import get
from pydml.diagnostics import DMLError
from pydml.execution.context import Context
from pydml.types import ANY_LIST, ANY_MATRIX, INT_SCALAR, Type, matrix_type, scalar_type
from pydml.values import List, Sparse, to_dense

D = np.float64


def printed(*args):
    out = io.StringIO()
    get("print")(Context(out=out), *args)
    return out.getvalue()


def rand(ctx=None, **given):
    arguments = dict(rows=1, cols=1, min=0, max=1, pdf="uniform", sparsity=1, seed=-1) | given
    rate = arguments.pop("rate", 1)
    return get("rand").run(ctx or Context(), *arguments.values(), rate)


# ---- output


def test_print():
    assert printed(1.0) == "1.0\n"
    assert printed("a%d") == "a%d\n"
    assert printed("%d%%|%s", 3, True) == "3%|true\n"
    assert printed(np.array([[1.0, 2.0]])) == "1.000 2.000\n\n"
    assert printed(List([1, "a"])) == "List containing:\n[1, a]\n"
    with pytest.raises(DMLError, match="the format must be a string"):
        printed(1, 2)


def test_stop_and_assert_end_the_run():
    with pytest.raises(DMLError) as error:
        get("stop")(2.5)
    assert (error.value.id, error.value.message) == ("stop", "2.5")
    assert get("assert")(0.5) is None
    with pytest.raises(DMLError):
        get("assert")(0)
    assert get("stop").effects and get("assert").effects and get("print").effects


def test_time_advances():
    first = get("time")()
    assert type(first) is int and get("time")() > first


def test_sizes_of_known_values_are_constants_before_the_run():
    assert get("nrow").infer([matrix_type(3, 4)]) == (scalar_type(3),)
    assert get("ncol").infer([matrix_type(3, None)]) == (INT_SCALAR,)
    assert get("length").infer([matrix_type(3, 4)]) == (scalar_type(12),)
    assert get("length").infer([ANY_LIST._replace(rows=2)]) == (scalar_type(2),)


# ---- casts


def test_as_scalar_keeps_the_type_of_list_elements():
    as_scalar = get("as.scalar")
    assert as_scalar(List([1])) == 1 and type(as_scalar(List([1]))) is int
    assert as_scalar(List([True])) is True
    assert as_scalar(List([np.full((1, 1), 2.0)])) == 2.0
    assert type(as_scalar(np.ones((1, 1), np.float32))) is float
    with pytest.raises(DMLError, match="must be 1 x 1, got 1 x 2"):
        as_scalar(List([np.ones((1, 2))]))
    assert as_scalar(Sparse(csr_matrix([[3.0]]))) == 3.0


def test_as_matrix_in_the_precision_of_the_run():
    as_matrix = get("as.matrix")
    assert as_matrix(np.float32, 1).dtype == np.float32
    np.testing.assert_array_equal(as_matrix(D, List([1, 2.5, True])), [[1], [2.5], [1]])
    X = np.ones((2, 2))
    assert as_matrix(D, X) is X and as_matrix(D, List([X])) is X


@pytest.mark.parametrize("name, value, expected", [("as.integer", 1e30, 2**63 - 1), ("as.integer", float("nan"), 0)])
def test_integer_limits(name, value, expected):
    assert get(name)(value) == expected


# ---- construction

# (from, to, incr, rows): observed on SystemDS 3.4.0, where rounding decides whether the end belongs to the sequence
LENGTHS = [
    (0, 1, 0.1, 11),
    (0, 0.7, 0.1, 7),
    (0, 0.8, 0.1, 9),
    (0, 1, 0.3, 4),
    (-1, 1, 0.05, 41),
    (0.1, 16.9, 0.7, 25),
    (0.3, 5.3, 0.2, 26),
    (0.7, 4.6, 0.3, 14),
    (0.3, 0.47, 0.01, 18),
    (0.3, 0.57, 0.01, 27),
    (1, 2.9, 0.05, 38),
    (2.1, 2.4, 0.1, 3),
    (0.7, 7.3, 0.2, 34),
    (-0.5, 5.1, 0.2, 28),
    (10, 1, -4, 3),
]


@pytest.mark.parametrize("start, end, step, rows", LENGTHS)
def test_seq_length(start, end, step, rows):
    result = get("seq").run(D, start, end, step)
    assert result.shape == (rows, 1)
    inferred = get("seq").infer([scalar_type(start), scalar_type(end), scalar_type(step)])
    assert inferred == (matrix_type(rows, 1),)


def test_seq_adds_up():
    assert get("seq").run(D, 0, 1, 0.1).ravel().tolist()[8:] == [
        0.7999999999999999,
        0.8999999999999999,
        0.9999999999999999,
    ]
    assert get("seq").infer([scalar_type(1), INT_SCALAR, Type("null")]) == (matrix_type(None, 1),)


def test_matrix_size_is_known_before_the_run():
    n, unknown, byrow = scalar_type(3.7), INT_SCALAR, scalar_type(True)
    infer = get("matrix").infer
    assert infer([scalar_type(0), n, scalar_type(2), byrow]) == (matrix_type(3, 2),)
    assert infer([scalar_type(0), n, unknown, byrow]) == (matrix_type(3, None),)
    with pytest.raises(DMLError, match="6 cells cannot become 3 x 3"):
        infer([matrix_type(2, 3), n, n, byrow])


def test_reshape_shares_memory():
    X = np.arange(6.0).reshape(2, 3)
    assert np.shares_memory(get("matrix").run(D, X, 3, 2, True), X)
    assert get("matrix").run(np.float32, 1, 2, 2, True).dtype == np.float32


def test_zeros_beyond_memory_are_sparse():
    X = get("matrix").run(D, 0, 10**7, 10**7, True)
    assert type(X) is Sparse and X.shape == (10**7, 10**7) and X.nnz == 0


def test_text_gives_no_negative_zero():
    X = get("matrix").run(D, " 1  -0.0 Infinity", 1, 3, True)
    assert X.tolist() == [[1, 0, np.inf]] and not np.signbit(X[0, 1])


# ---- random numbers


def test_a_seed_decides_everything():
    assert np.array_equal(rand(rows=9, cols=9, seed=5), rand(rows=9, cols=9, seed=5))
    assert not np.array_equal(rand(rows=9, cols=9, seed=5), rand(rows=9, cols=9, seed=6))
    assert np.array_equal(rand(Context(seed=1), rows=9), rand(Context(seed=1), rows=9))
    ctx = Context(seed=1)
    assert not np.array_equal(rand(ctx, rows=9), rand(ctx, rows=9))


@pytest.mark.parametrize("pdf", ["uniform", "normal", "poisson"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_threads_do_not_matter(pdf, dtype):
    arguments = (2 * BLOCK + 5, 1, -1, 2, pdf, 1, 3, 4)
    serial = get("rand").meaning(Context(dtype=dtype), *arguments, spread=each_block)
    assert np.array_equal(get("rand").run(Context(dtype=dtype), *arguments), serial)
    assert serial.dtype == dtype
    # another block has other numbers
    assert not np.array_equal(serial[:BLOCK], serial[BLOCK : 2 * BLOCK])


def test_distributions():
    # bounds are 5 standard errors for 40,000 cells
    n = 40000
    uniform = rand(rows=n, min=2, max=5, seed=1)
    assert uniform.min() >= 2 and uniform.max() < 5 and abs(uniform.mean() - 3.5) < 5 * 0.87 / 200
    normal = rand(rows=n, pdf="normal", seed=1)
    assert abs(normal.mean()) < 5 / 200 and abs(normal.std() - 1) < 5 / 280
    poisson = rand(rows=n, pdf="poisson", rate=3, seed=1)
    assert abs(poisson.mean() - 3) < 5 * 1.74 / 200 and (poisson == np.floor(poisson)).all()


def test_sparsity_is_spread_evenly():
    X = rand(rows=1000, cols=3000, sparsity=0.01, seed=2)
    counts = np.diff(X.csr.indptr)
    assert X.nnz == 30000 and X.csr.has_canonical_format
    assert counts[:500].sum() > 14000 and counts[500:].sum() > 14000
    assert to_dense(rand(rows=100, cols=100, sparsity=0)).sum() == 0
    half = rand(rows=100, cols=100, sparsity=0.5, min=1, max=2, seed=2)
    assert type(half) is np.ndarray and np.count_nonzero(half) == 5000


@pytest.mark.parametrize(
    ("rows", "cols", "sparsity"), [(3000, 777, 0.013), (9, 100_000, 0.3), (2, 10**10, 1e-8), (9000, 1000, 1e-4)]
)
def test_structure_of_sparse_cells(rows, cols, sparsity):
    """Rows and columns made block by block are those of the places, and kernels in threads make the same."""
    X = rand(rows=rows, cols=cols, sparsity=sparsity, seed=5, min=1, max=2)
    places = _SparseBlocks(rows, cols, sparsity).positions(5)
    assert len(places) == round(sparsity * rows * cols) and (np.diff(places) > 0).all() and places[-1] < rows * cols
    X.csr.check_format(full_check=True)
    found = X.csr.tocoo()
    np.testing.assert_array_equal(found.row.astype(np.int64) * cols + found.col, places)
    meaning = get("rand").meaning(Context(), rows, cols, 1, 2, "uniform", sparsity, 5, 1)
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(meaning.csr, part), getattr(X.csr, part))


def test_places_beyond_2_to_the_31():
    places = _SparseBlocks(300_000, 100_000, 1e-5).positions(3)
    assert len(places) == 300_000
    assert (np.diff(places) > 0).all()
    assert 2.9e10 < places[-1] < 3e10


@pytest.mark.parametrize(
    ("rows", "cols", "sparsity"),
    [(1000, 1000, 0.02), (2000, 1000, 0.05), (1000, 900, 0.0625), (70_000, 10_000, 1e-4), (3, 10**10, 1e-7)],
)
def test_places_drawn_twice_are_drawn_again(rows, cols, sparsity):
    """Each block draws until it has enough, whichever blocks are drawn together."""
    blocks = _SparseBlocks(rows, cols, sparsity)
    wanted_places = []
    for block in range(blocks.count):
        length = min(blocks.cells - block * blocks.size, blocks.size)
        dtype = np.int32 if length < 2**31 else np.int64
        generator = _generator(3, block, use=1)
        wanted = blocks.first(block + 1) - blocks.first(block)
        places: set[int] = set()
        while len(places) < wanted:
            places.update(generator.integers(0, length, wanted - len(places), dtype).tolist())
        wanted_places += [block * blocks.size + p for p in sorted(places)]
    np.testing.assert_array_equal(blocks.positions(3), wanted_places)
    one_by_one = [blocks.places(3, i, i + 1).astype(np.int64) + i * blocks.size for i in range(blocks.count)]
    np.testing.assert_array_equal(np.concatenate(one_by_one), wanted_places)


def test_more_meet_than_were_drawn_ahead(monkeypatch):
    blocks = _SparseBlocks(1000, 1000, 0.05)
    wanted = blocks.positions(9)
    draw = _SparseBlocks._draw

    def few(self, generator, seed, block, count=0):
        return draw(self, generator, seed, block, count)[: max(count, self.first(block + 1) - self.first(block))]

    monkeypatch.setattr(_SparseBlocks, "_draw", few)
    np.testing.assert_array_equal(blocks.positions(9), wanted)


@pytest.mark.parametrize(("seed", "block", "use"), [(0, 0, 0), (2**62 + 5, 7, 1), (5, 2**40, 0)])
def test_a_generator_that_was_used_becomes_another(seed, block, use):
    used = _generator(1, 2)
    used.integers(0, 10, 3, np.int32)  # half a word is left
    _restart(used, seed, block, use)
    fresh = _generator(seed, block, use)
    assert (used.integers(0, 1000, 99, np.int32) == fresh.integers(0, 1000, 99, np.int32)).all()
    assert (used.random(9) == fresh.random(9)).all()


def test_zeros_drawn_are_not_stored():
    X = rand(rows=300, cols=300, sparsity=0.1, pdf="poisson", rate=0.5, seed=5)
    assert 0 < X.nnz < 9000 and X.csr.data.all()
    assert rand(rows=300, cols=300, sparsity=0.1, min=0, max=0).nnz == 0


def test_sample():
    ctx = Context(seed=1)
    assert sorted(get("sample").run(ctx, 50, 50, False, None).ravel()) == list(range(1, 51))
    drawn = get("sample").run(ctx, 3, 1000, True, 5).ravel()
    assert set(drawn) == {1, 2, 3}
    assert len(set(get("sample").run(ctx, 1000, 100, False, None).ravel())) == 100
    assert get("sample").run(ctx, 5, 0, False, None).shape == (0, 1)


# ---- lists


def test_append_as_systemds():
    append = get("append")
    assert append(List([1, 2]), List([3])).items == (1, 2, 3)
    named = append(List([1], ["a"]), List([2], ["b"]))
    assert named.items == (1, 2) and named.names == ("a", "b")
    nested = append(List([1]), List([3, 4])).items[1]
    assert nested.items == (3, 4)
    assert append.infer([ANY_LIST._replace(rows=2), INT_SCALAR])[0].rows == 3


def test_remove():
    rest, removed = get("remove")(List([1, 2, 3], ["a", "b", "c"]), 2)
    assert rest.items == (1, 3) and rest.names == ("a", "c") and removed.items == (2,) and removed.names == ("b",)
    rest, removed = get("remove")(List([1, 2]), 1.0)
    assert rest.items == (2,)
    assert [t.rows for t in get("remove").infer([ANY_LIST._replace(rows=3), scalar_type(1)])] == [2, 1]


# ---- reorganisation


def test_transpose_and_reverse_are_views():
    X = np.arange(6.0).reshape(2, 3)
    assert np.shares_memory(get("t").run(X), X) and np.shares_memory(get("rev").run(X), X)


def test_order_with_nan_and_ties():
    X = np.array([[3, 0], [np.nan, 1], [1, 2], [np.nan, 3], [3, 4.0]])
    order = get("order")
    assert order.run(X, 1, False, True).ravel().tolist() == [3, 1, 5, 2, 4]
    assert order.run(X, 1, True, True).ravel().tolist() == [2, 4, 1, 5, 3]
    assert order.run(X, np.array([[1.0, 2.0]]), True, True).ravel().tolist() == [4, 2, 5, 1, 3]
    assert order.run(X, 1.9, False, False)[0].tolist() == [1, 2]
    with pytest.raises(DMLError, match="by is 3"):
        order.run(X, np.array([[1.0, 3.0]]), False, True)


def test_order_agrees_with_a_stable_sort_of_rows():
    rng = np.random.default_rng(1)
    X = rng.integers(0, 3, (60, 3)).astype(float)
    for decreasing in (False, True):
        rows = get("order").run(X, np.array([[3.0], [1.0]]), decreasing, True).ravel().astype(int) - 1
        # sorted() keeps the order of equal rows with reverse=True as well
        assert rows.tolist() == sorted(range(60), key=lambda i: (X[i, 2], X[i, 0]), reverse=decreasing)


def test_remove_empty_of_nan_and_of_nothing():
    remove = get("removeEmpty")
    assert remove.run(np.array([[np.nan], [0.0]]), "rows", None, True).shape == (1, 1)
    assert remove.run(np.zeros((3, 2)), "cols", None, True).shape == (3, 1)
    assert remove.run(np.zeros((3, 2)), "cols", None, False).shape == (3, 0)
    X = np.ones((3, 2))
    assert remove.run(X, "rows", None, True) is X
    with pytest.raises(DMLError, match="select must be a vector, got 3 x 2"):
        remove.run(X, "rows", X, True)


def test_concat_checks_every_argument():
    with pytest.raises(DMLError, match="argument 3 has 1 rows, the first one 2"):
        get("cbind").run(np.ones((2, 1)), np.ones((2, 3)), np.ones((1, 1)))
    with pytest.raises(DMLError, match="element 2 of the list is a int"):
        get("rbind").run(List([np.ones((1, 1)), 2]))
    assert get("cbind").infer([matrix_type(None, 2), matrix_type(3, None)]) == (matrix_type(3, None),)
    assert get("rbind").infer([matrix_type(None, 2), matrix_type(3, None)]) == (matrix_type(None, 2),)
    assert get("cbind").infer([ANY_LIST]) == (ANY_MATRIX,)
    assert get("cbind").infer([Type(), matrix_type(1, 1)])[0].data == "matrix"
    with pytest.raises(DMLError) as error:
        get("cbind").infer([])
    assert error.value.id == "call"


def test_row_class_meet():
    A = np.array([[2, 1, 2, 0, 3, 3, 1], [1, 1, 1, 1, 1, 1, 1.0]])
    B = np.array([[5, 2, 5, 2, 0, 1, 2], [2, 1, 1, 1, 2, 2, 2.0]])
    classes, counts = get("rowClassMeet").run(A, B)
    assert classes.tolist() == [[2, 1, 2, 0, 0, 3, 1], [2, 1, 1, 1, 2, 2, 2]]
    assert counts.tolist() == [[2, 2, 2, 0, 0, 1, 2], [4, 3, 3, 3, 4, 4, 4]]


def test_diag_sizes():
    infer = get("diag").infer
    assert infer([matrix_type(4, 1)]) == (matrix_type(4, 4),)
    assert infer([matrix_type(4, 4)]) == (matrix_type(4, 1),)
    assert infer([matrix_type(4, None)]) == (matrix_type(4, None),)
    assert infer([matrix_type(None, 3)]) == (matrix_type(3, 1),)
    assert infer([matrix_type(1, None)]) == (matrix_type(1, 1),)


def test_every_builtin_of_these_modules_is_documented_and_has_cases():
    mine = {"control", "casts", "construct", "random", "indexing", "lists", "reorg", "metadata"}
    without = {"[]", "[]=", "time", "print", "stop", "assert", "remove", "rowClassMeet"}  # tested above or no value
    for b in registry.all_builtins():
        if (
            b.module.split(".")[-1] in mine and " " not in b.name
        ):  # those with a space are made by passes, which test them
            assert len(b.doc) > 20, b
            assert b.name in without or b.cases, b
            assert b.name in {"[]", "[]=", "time", "list"} or b.failures, b
