"""A prepared data set in DML: rows are read when they are used, and all other operations see an ordinary matrix."""

import numpy as np
import pytest

import pydml
from pydml.diagnostics import DMLError
from pydml.io.dataset import Stored, load_manifest
from pydml.values import storage


def numbers(folder, pixels):
    m = load_manifest(str(folder / "train"))
    return (pixels / 255.0 - m.mean[0]) / m.std[0]


def run(text, folder, **more):
    return pydml.run(text, nvargs={"data": str(folder)}, **more)


@pytest.fixture
def limit():
    yield storage.set_memory_limit
    storage.set_memory_limit(None)


def test_ranges_have_the_normalised_rows(stored):
    folder, pixels = stored
    text = 'X = read($data + "/train")\nA = X[6:9,]; B = X[50,2:3]; C = X[,20]; n = nrow(X); m = ncol(X); c = as.scalar(X[8,4])'
    got = run(text, folder)
    expected = numbers(folder, pixels)
    assert (got.n, got.m) == (50, 20)
    np.testing.assert_array_equal(got.A, expected[5:9])
    np.testing.assert_array_equal(got.B, expected[49:50, 1:3])
    np.testing.assert_array_equal(got.C, expected[:, 19:])
    assert got.c == expected[7, 3]


def test_the_training_pixels_have_mean_0_and_deviation_1(stored):
    got = run('X = read($data + "/train")\nm = mean(X); s = sum(X^2) / length(X)', stored[0])
    assert abs(got.m) < 1e-14 and abs(got.s - 1) < 1e-14


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_kernel_makes_the_same_numbers(stored, dtype, monkeypatch):
    from pydml.backends.cpu import stored as kernels

    folder, pixels = stored
    X = Stored(str(folder / "train"), load_manifest(str(folder / "train")), dtype)
    monkeypatch.setattr(kernels, "SMALL", 0)
    got = kernels.converted(X, pixels)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, X.convert(pixels))
    np.testing.assert_array_equal(got, numbers(folder, pixels).astype(dtype))


@pytest.mark.parametrize("pixels, factor", [("unit", 1 / 255), ("bytes", 1)])
def test_pixels_without_normalisation(stored, pixels, factor):
    folder, cells = stored
    got = run(f'X = read($data + "/train", pixels="{pixels}")\nX = X[1:50,]', folder)
    np.testing.assert_allclose(got.X, cells * factor, rtol=1e-15)


def test_single_precision(stored):
    folder, pixels = stored
    got = run('X = read($data + "/train")\nA = X[1:8,]', folder, precision="single")
    assert got.A.dtype == np.float32
    np.testing.assert_array_equal(got.A, numbers(folder, pixels)[:8].astype(np.float32))


def test_labels_are_classes_from_one(stored):
    got = run('y = read($data + "/train.labels"); s = read($data + "/shape.csv")', stored[0])
    np.testing.assert_array_equal(got.y[:, 0], np.arange(50) % 3 + 1)
    np.testing.assert_array_equal(got.s, [[1, 4, 5, 3]])


def test_batches_in_an_order_with_repetitions(stored):
    folder, pixels = stored
    order = np.array([50, 3, 3, 8, 7, 1, 44, 22, 23, 21], float)[:, None]
    text = 'X = read($data + "/train")\nA = batchOf(X, o, 1, 4); B = batchOf(X, o, 5, 8); C = batchOf(X, o, 9, 10)'
    got = run(text, folder, o=order)
    expected = numbers(folder, pixels)[order[:, 0].astype(int) - 1]
    np.testing.assert_array_equal(np.vstack([got.A, got.B, got.C]), expected)


def test_what_is_read_in_advance_is_what_is_wanted(stored):
    folder, pixels = stored
    X = Stored(str(folder / "train"), load_manifest(str(folder / "train")), np.float64)
    for _ in range(3):  # epochs; the batch after the last one is the first
        for first in range(0, 50, 8):
            last = min(first + 8, 50)
            np.testing.assert_array_equal(X.block(first, last), pixels[first:last])
    np.testing.assert_array_equal(X.block(30, 33), pixels[30:33])  # a jump
    ahead = X._ahead
    assert ahead is None or (ahead.rows[0] == 33 and (ahead.result() == pixels[33:36]).all())


def test_matrices_of_any_storage_have_batches():
    text = """
    X = rand(rows=200, cols=50, sparsity=0.05, seed=3)
    o = sample(200, 200, 5)
    P = table(seq(1, 30), o[11:40,], 30, 200)
    d = sum(abs(batchOf(X, o, 11, 40) - P %*% X))
    """
    assert pydml.run(text).d == 0


def test_whole_matrix_operations_see_an_ordinary_matrix(stored):
    folder, pixels = stored
    text = """
    X = read($data + "/train")
    A = X; A[1,1] = 7
    L = list(X, 1)
    B = as.matrix(L[1])
    G = t(X) %*% X
    H = rbind(X[1:2,], X)
    I = ifelse(X > 0, X, 0)
    R = removeEmpty(target=X, margin="rows")
    """
    got, X = run(text, folder), numbers(folder, pixels)
    np.testing.assert_allclose(got.G, X.T @ X)
    np.testing.assert_array_equal(got.B, X)
    np.testing.assert_array_equal(got.H, np.vstack([X[:2], X]))
    np.testing.assert_array_equal(got.I, np.where(X > 0, X, 0))
    np.testing.assert_array_equal(got.X, X)
    assert got.A[0, 0] == 7 and (got.A.ravel()[1:] == X.ravel()[1:]).all()
    assert got.R.shape == X.shape


def test_large_ranges_stay_in_files(stored, limit):
    folder, pixels = stored
    limit(7000)  # a range of 11 rows has 1760 bytes, more than a quarter
    text = """
    X = read($data + "/train")
    V = X[1:18,]
    T = X[19:50,]
    A = T[1:9,]; B = T[10:18,]; C = T[19:20,]
    U = T[3:32,]; D = U[5:8,]; E = batchOf(U, o, 1, 3); F = V[18,]
    n = nrow(T); s = sum(V)
    """
    order = np.array([[30.0], [1], [2]])
    names = ["A", "B", "C", "D", "E", "F", "n", "s"]
    got, X = run(text, folder, outputs=names, o=order), numbers(folder, pixels)
    assert got.n == 32
    np.testing.assert_allclose(got.s, X[:18].sum(), rtol=1e-12)
    np.testing.assert_array_equal(np.vstack([got.A, got.B, got.C]), X[18:38])
    np.testing.assert_array_equal(got.D, X[24:28])
    np.testing.assert_array_equal(got.E, X[[49, 20, 21]])
    np.testing.assert_array_equal(got.F, X[17:18])
    with pytest.raises(DMLError, match="46 x 20 would need"):
        run('X = read($data + "/train")\nY = X[1:46,]\ns = sum(Y)', folder, outputs="s")


def test_functions_and_lists_pass_it_on_unread(stored, limit):
    folder, pixels = stored
    limit(7000)  # the whole has 8000 bytes
    text = """
    f = function(matrix[double] X, int beg) return (double s) { s = 0; for (i in beg:(beg+9)) { s = s + sum(X[i,]) } }
    g = function(list[unknown] L) return (double s) { X = as.matrix(L["X"]); s = f(X, 11) }
    X = read($data + "/train")
    a = f(X, 1)
    b = g(list(X=X, k=1))
    if (nrow(X) > 5) { Z = X } else { Z = matrix(0, rows=1, cols=1) }
    c = sum(Z[21:30,])
    """
    got, X = run(text, folder, outputs=["a", "b", "c"]), numbers(folder, pixels)
    np.testing.assert_allclose([got.a, got.b, got.c], [X[:10].sum(), X[10:20].sum(), X[20:30].sum()], atol=1e-12)


def test_parfor_reads_from_several_threads(stored):
    folder, pixels = stored
    text = """
    X = read($data + "/train")
    R = matrix(0, rows=50, cols=20)
    parfor (i in 1:25) { R[(2*i-1):(2*i),] = X[(2*i-1):(2*i),] }
    """
    np.testing.assert_array_equal(run(text, folder, threads=4).R, numbers(folder, pixels))


def test_a_written_copy_has_the_numbers(stored, tmp_path):
    folder, pixels = stored
    run(f'X = read($data + "/train")\nwrite(X, "{tmp_path}/copy.csv", format="csv")', folder)
    got = pydml.run(f'X = read("{tmp_path}/copy.csv")')
    np.testing.assert_allclose(got.X, numbers(folder, pixels), rtol=1e-14)


def test_loading_more_than_the_limit_is_an_error_that_says_how_much(stored, limit):
    folder, _ = stored
    limit(6000)  # the matrix has 8000 bytes
    assert run('X = read($data + "/train")\ns = sum(X[1:20,])', folder, outputs="s").s != 0
    with pytest.raises(DMLError, match="50 x 20 would need") as error:
        run('X = read($data + "/train")\ns = sum(X)', folder, outputs="s")
    assert error.value.id == "memory"


@pytest.mark.parametrize(
    "text, id, message",
    [
        ('X = read($data + "/train")\nX = X[45:51,]', "index", "outside of the matrix of 50 x 20|row 51 is outside"),
        ('X = read($data + "/train", rows=49)', "metadata", "50 rows"),
        ('X = read($data + "/train", pixels="grey")', "value", "pixels must be"),
        ('X = batchOf(read($data + "/train"), matrix(51, rows=1, cols=1), 1, 1)', "index", "51, which is not a row"),
        ('X = batchOf(read($data + "/train"), matrix(0/0, rows=1, cols=1), 1, 1)', "index", "not a row"),
        ("X = read($data)", "file", 'did you mean ".*/train"'),
    ],
)
def test_mistakes(stored, text, id, message):
    import re

    with pytest.raises(DMLError) as error:
        run(text, stored[0])
    assert re.fullmatch(id, error.value.id) and re.search(message, str(error.value))


def test_a_damaged_shard_is_an_error(stored):
    folder, _ = stored
    shard = folder / "train" / "shard-00001.bin"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(DMLError, match="139 bytes"):
        run('X = read($data + "/train")\nX = X[8:9,]', folder)
    shard.unlink()
    with pytest.raises(DMLError, match="shard-00001"):
        run('X = read($data + "/train")\nX = X[8:9,]', folder)


def test_sizes_are_known_before_the_run(stored):
    text = 'X = read($data + "/train")\nY = X %*% matrix(1, rows=3, cols=1)'
    with pytest.raises(DMLError, match="20"):
        pydml.Script(text, nvargs={"data": str(stored[0])}).executable()
