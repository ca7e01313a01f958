"""Text files of triples and Matrix Market files, compared with SystemDS 3.4.0."""

import math

import numpy as np
import pytest
from io_testing import error, read, read_dense, same_bits, sparse, write

from pydml.values import Sparse

A = np.array([[1.5, 0, 3], [0, 0, 0.0001], [1e10, -7, 12345678]])
TRIPLES = "1 1 1.5\n1 3 3.0\n2 3 1.0E-4\n3 1 1.0E10\n3 2 -7.0\n3 3 1.2345678E7\n"


def put(tmp_path, text, name="t"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 1 5\n2 2 7\n", [[5, 0], [0, 7]]),
        ("2 2 7\r\n\n 1\t1  5 \n", [[5, 0], [0, 7]]),
        ("0 0 0\n", [[0, 0], [0, 0]]),
        ("0 0 0\n1 1 5", [[5, 0], [0, 0]]),
        ("", [[0, 0], [0, 0]]),
        ("1 1 5\n1 1 7\n", [[7, 0], [0, 0]]),
        ("1 1 NaN\n2 2 -Infinity\n1 2 2d\n", [[math.nan, 2], [0, -math.inf]]),
    ],
)
@pytest.mark.parametrize("name", ["text", "ijv", "TextCell", None])
def test_reads_text(tmp_path, text, expected, name):
    given = {"format": name} if name else {}
    assert same_bits(read_dense(put(tmp_path, text), rows=2, cols=2, **given), np.array(expected, float))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 1 5\n3 2 7\n", "t: line 2: the cell [3,2] is outside of the 2 x 2 matrix"),
        ("0 0 5\n", "t: line 1: the cell [0,0] is outside of the 2 x 2 matrix"),
        ("1 1\n", 't: line 1: expected `row column value`, found "1 1"'),
        ("1 1 5 6\n", 't: line 1: expected `row column value`, found "1 1 5 6"'),
        ("1.0 1 5\n", 't: line 1, column 1: "1.0" is not an index'),
        ("1 -1 5\n", 't: line 1, column 2: "-1" is not an index'),
        ("1 1 2\n1 2 abc\n", 't: line 2, column 3: "abc" is not a number'),
    ],
)
def test_malformed_text(tmp_path, text, message):
    found = error(read, put(tmp_path, text), rows=2, cols=2)
    assert found.id == "data-format"
    assert message in found.message


def test_text_needs_its_size(tmp_path):
    path = put(tmp_path, "1 1 5\n")
    found = error(read, path)
    assert found.id == "metadata"
    assert "neither" in found.message and 'format="csv"' in found.diagnostic.help
    found = error(read, path, format="text", rows=2)
    assert found.id == "metadata"
    assert "cols must be given for the format text" in found.message


@pytest.mark.parametrize("make", [np.array, sparse])
def test_writes_as_systemds(tmp_path, make):
    write(make(A), tmp_path / "a")
    assert (tmp_path / "a").read_text() == TRIPLES
    assert same_bits(read_dense(tmp_path / "a"), A)
    write(make(A), tmp_path / "a.mtx", format="mm")
    assert (tmp_path / "a.mtx").read_text() == "%%MatrixMarket matrix coordinate real general\n3 3 6\n" + TRIPLES
    assert not (tmp_path / "a.mtx.mtd").exists()
    assert same_bits(read_dense(tmp_path / "a.mtx"), A)


def test_zeros(tmp_path):
    write(np.zeros((2, 3)), tmp_path / "z")
    assert (tmp_path / "z").read_text() == "0 0 0\n"
    assert same_bits(read_dense(tmp_path / "z"), np.zeros((2, 3)))
    write(np.zeros((2, 3)), tmp_path / "z.mtx", format="mm")
    assert same_bits(read_dense(tmp_path / "z.mtx"), np.zeros((2, 3)))
    # SystemDS writes this line, which the format does not know
    put(tmp_path, "%%MatrixMarket matrix coordinate real general\n2 3 0\n0 0 0\n", "s.mtx")
    assert same_bits(read_dense(tmp_path / "s.mtx"), np.zeros((2, 3)))


HEAD = "%%MatrixMarket matrix coordinate real "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD + "symmetric\n2 2 2\n1 1 5\n2 1 3\n", [[5, 3], [3, 0]]),
        (HEAD + "skew-symmetric\n2 2 1\n2 1 3\n", [[0, -3], [3, 0]]),
        ("%%MatrixMarket matrix coordinate pattern general\n% hi\n2 2 1\n2 1\n", [[0, 0], [1, 0]]),
        ("%%MatrixMarket matrix coordinate pattern symmetric\n2 2 1\n2 1\n", [[0, 1], [1, 0]]),
        ("%%MatrixMarket matrix coordinate integer general\n\n%\n2 2 1\n2 1 4\n", [[0, 0], [4, 0]]),
        ("%%MatrixMarket MATRIX Coordinate Real General\r\n2 2 1\r\n2 1 4\r\n", [[0, 0], [4, 0]]),
        ("%%MatrixMarket matrix array real general\n2 3\n1\n2\n3\n4\n5\n6\n", [[1, 3, 5], [2, 4, 6]]),
        ("%%MatrixMarket matrix array real symmetric\n2 2\n1\n2\n3\n", [[1, 2], [2, 3]]),
        ("%%MatrixMarket matrix array real skew-symmetric\n2 2\n7\n", [[0, -7], [7, 0]]),
    ],
)
def test_reads_matrix_market(tmp_path, text, expected):
    path = put(tmp_path, text)
    assert same_bits(read_dense(path), np.array(expected, float))
    assert same_bits(read_dense(path, format="mm"), np.array(expected, float))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 1 2\n", "t: line 1: expected `%%MatrixMarket matrix coordinate real general`"),
        ("%%MatrixMarket matrix coordinate complex general\n1 1 1\n1 1 1 1\n", "t: line 1: complex is not supported"),
        ("%%MatrixMarket matrix coordinate real hermitian\n1 1 1\n1 1 1\n", "t: line 1: hermitian is not supported"),
        (HEAD + "general\n% only this\n", "t: line 2: the line with the size is missing"),
        (HEAD + "general\n2 2\n", 't: line 2: expected rows columns entries, found "2 2"'),
        (HEAD + "general\n2 2 2\n1 1 1\n", "t: the header announces 2 entries, the file has 1"),
        (HEAD + "general\n%\n2 2 1\n1 3 1\n", "t: line 4: the cell [1,3] is outside of the 2 x 2 matrix"),
        (HEAD + "symmetric\n2 3 0\n", "t: line 2: a symmetric matrix must be square, not 2 x 3"),
        ("%%MatrixMarket matrix array real general\n2 2\n1\n2\n3\n", "the header announces 4 cells, the file has 3"),
        ("%%MatrixMarket matrix array real general\n1 1\nx\n", 't: line 3, column 1: "x" is not a number'),
    ],
)
def test_malformed_matrix_market(tmp_path, text, message):
    found = error(read, put(tmp_path, text), format="mm")
    assert found.id == "data-format"
    assert message in found.message


def test_matrix_market_of_another_size(tmp_path):
    path = put(tmp_path, HEAD + "general\n2 2 1\n1 1 2\n")
    assert "t has 2 rows, the read statement says 3" in error(read, path, format="mm", rows=3).message
    assert same_bits(read_dense(path, rows=2), np.array([[2.0, 0], [0, 0]]))


def test_large_and_sparse_stays_sparse(tmp_path):
    put(tmp_path, "1000000 1000000 2.5\n7 3 1\n7 3 4\n1 1 0\n")
    value = read(tmp_path / "t", rows=1_000_000, cols=1_000_000)
    assert isinstance(value, Sparse)
    assert value.nnz == 2
    assert value.csr[6, 2] == 4 and value.csr[999_999, 999_999] == 2.5
    for name, options in (("u", {}), ("u.mtx", {"format": "mm"})):
        write(value, tmp_path / name, **options)
        again = read(tmp_path / name)
        assert isinstance(again, Sparse) and (again.csr != value.csr).nnz == 0


def test_any_sparse_matrix_comes_back(tmp_path):
    hypothesis = pytest.importorskip("hypothesis")
    from hypothesis import strategies as st

    cell = st.tuples(st.integers(0, 79), st.integers(0, 59), st.floats())

    @hypothesis.settings(deadline=None, max_examples=30)
    @hypothesis.given(st.lists(cell, max_size=20), st.sampled_from(["text", "mm"]))
    def check(cells, format):
        array = np.zeros((80, 60))
        for i, j, v in cells:
            array[i, j] = v
        write(sparse(array), tmp_path / "h", format=format)
        value = read(tmp_path / "h")
        assert isinstance(value, Sparse)
        assert same_bits(value.to_dense(), array)

    check()
