"""libsvm, idx, npy and npz files."""

import gzip
import struct

import numpy as np
import pytest
from io_testing import error, read, read_dense, same_bits, sparse, write

from pydml.io.load import static_type
from pydml.values import Sparse


def put(tmp_path, content, name="t"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# ---- libsvm


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("1 1:2 3:4\n-1 2:5\n", {"sep": " ", "rows": 2}, [[2, 0, 4, 1], [0, 5, 0, -1]]),
        ("1 1:2 3:4\n-1 2:5\n", {}, [[2, 0, 4, 1], [0, 5, 0, -1]]),
        ("+1\t1:2,3:4  # remark\r\n\r\n-1,2:5", {}, [[2, 0, 4, 1], [0, 5, 0, -1]]),
        ("3 2=1 1=7\n4\n", {"indSep": "="}, [[7, 1, 0, 3], [0, 0, 0, 4]]),
        ("1,1:2\n", {"rows": 3}, [[2, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]),
    ],
)
def test_reads_libsvm(tmp_path, text, options, expected):
    assert same_bits(read_dense(put(tmp_path, text), format="libsvm", cols=3, **options), np.array(expected, float))


@pytest.mark.parametrize(
    ("text", "options", "id", "message"),
    [
        ("1 1:2\n", {"sep": ","}, "data-format", 't: line 1, column 1: "1 1:2" is not a number'),
        ("1 2\n", {}, "data-format", 't: line 1, entry 2: expected `index:value`, found "2"'),
        ("1 1:2 x:2\n", {}, "data-format", 't: line 1, entry 3: expected `index:value`, found "x:2"'),
        ("1 4:2\n", {}, "data-format", "t: line 1, entry 2: the index 4 is outside of the 3 features"),
        ("1 0:2\n", {}, "data-format", "the index 0 is outside"),
        ("1 1:2\n2 1:2\n", {"rows": 1}, "metadata", "t has 2 rows, the read statement says 1"),
        ("1 1:2\n", {"indSep": ""}, "value", "indSep must be a text without line ends"),
    ],
)
def test_malformed_libsvm(tmp_path, text, options, id, message):
    found = error(read, put(tmp_path, text), format="libsvm", cols=3, **options)
    assert found.id == id
    assert message in found.message


def test_folders_of_part_files(tmp_path):
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "_SUCCESS").touch()
    (folder / "0-m-00000").write_text("1 1:2\n\n2 2:5\n")
    (folder / "0-m-00001").write_text("3 1:7 2:8")
    assert read_dense(folder, format="libsvm", cols=2).tolist() == [[2, 0, 1], [0, 5, 2], [7, 8, 3]]
    (folder / "0-m-00001").write_text("3 1:7 2:8\n4 2\n")
    assert "0-m-00001: line 2, entry 2" in error(read, folder, format="libsvm", cols=2).message
    (folder / "0-m-00000").write_text("%%MatrixMarket matrix array integer general\n3 2\n1\n2\n")
    (folder / "0-m-00001").write_text("3\n4\n5\n6\n")
    assert read_dense(folder, format="mm").tolist() == [[1, 4], [2, 5], [3, 6]]
    (folder / "0-m-00001").write_text("3\n4\n5 x\n6\n")
    assert '0-m-00001: line 3, column 2: "x" is not a number' in error(read, folder, format="mm").message


def test_a_folder_of_arrays(tmp_path):
    folder = tmp_path / "x"
    folder.mkdir()
    np.save(folder / "a.npy", np.arange(6).reshape(2, 3))
    np.save(folder / "b.npy", np.full((1, 3), 0.5))
    assert read_dense(folder, format="npy").tolist() == [[0, 1, 2], [3, 4, 5], [0.5, 0.5, 0.5]]
    assert static_type(str(folder), {"format": "npy"}).rows == 3
    np.save(folder / "c.npy", np.ones((1, 2)))
    assert "c.npy holds an array of shape (1, 2), the files before (2, 3)" in error(read, folder, format="npy").message


@pytest.mark.parametrize("make", [np.array, sparse])
def test_libsvm_round_trip(tmp_path, make):
    array = np.array([[1.5, 0, 3], [0, 2, 0], [0, 0, -1e10], [0, 0, 0]])
    write(make(array), tmp_path / "x", format="libsvm")
    assert (tmp_path / "x").read_text() == "3.0,1:1.5\n0.0,2:2.0\n-1.0E10\n0.0\n"
    assert same_bits(read_dense(tmp_path / "x"), array)
    assert str(static_type(str(tmp_path / "x"), {})) == "matrix 4 x 3"
    write(make(array), tmp_path / "y", format="libsvm", sep=" ", indSep="=")
    assert (tmp_path / "y").read_text() == "3.0 1=1.5\n0.0 2=2.0\n-1.0E10\n0.0\n"
    assert same_bits(read_dense(tmp_path / "y"), array)


# ---- idx


def idx(code, letter, dimensions, values):
    head = bytes([0, 0, code, len(dimensions)]) + struct.pack(f">{len(dimensions)}I", *dimensions)
    return head + struct.pack(f">{len(values)}{letter}", *values)


@pytest.mark.parametrize(
    ("code", "letter"), [(0x08, "B"), (0x09, "b"), (0x0B, "h"), (0x0C, "i"), (0x0D, "f"), (0x0E, "d")]
)
@pytest.mark.parametrize("packed", [False, True])
def test_reads_idx(tmp_path, code, letter, packed):
    content = idx(code, letter, (2, 2, 3), range(12))
    path = put(tmp_path, gzip.compress(content) if packed else content, "images.gz" if packed else "images")
    expected = np.arange(12.0).reshape(2, 6)
    assert same_bits(read_dense(path), expected)
    assert same_bits(read_dense(path, format="idx", rows=2), expected)
    assert str(static_type(str(path), {})) == "matrix 2 x 6"
    labels = put(tmp_path, idx(code, letter, (3,), (7, 0, 2)), "labels")
    assert same_bits(read_dense(labels), np.array([[7.0], [0], [2]]))
    assert read(labels, dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello world", "is not an IDX file"),
        (idx(8, "B", (2, 2), (1, 2, 3)), "the header announces 2 x 2 = 4 cells, the file has 3"),
        (idx(8, "B", (2, 2), (1, 2, 3, 4, 5)), "the header announces 2 x 2 = 4 cells, the file has 5"),
        (b"\0\0\x08\x02\0\0\0\1", "the file is cut off in its header"),
    ],
)
def test_malformed_idx(tmp_path, content, message):
    found = error(read, put(tmp_path, content), format="idx")
    assert found.id == "data-format"
    assert message in found.message


def test_damaged_gzip(tmp_path):
    content = gzip.compress(idx(8, "B", (2, 2), (1, 2, 3, 4)))
    for damaged in (content[:-9], content[:12] + b"\xff\xff\xff" + content[15:], b"plain"):
        found = error(read, put(tmp_path, damaged, "x.gz"), format="idx")
        assert found.id == "data-format" and "the compressed file is damaged" in found.message


def test_writes_idx(tmp_path):
    for array in (np.array([[0.0, 255], [3, 4]]), np.array([[0.5, -1], [np.nan, 1e300]]), np.zeros((0, 3))):
        write(array, tmp_path / "x", format="idx")
        assert same_bits(read_dense(tmp_path / "x"), array)
    assert not (tmp_path / "x.mtd").exists()


# ---- NumPy


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.arange(6.0).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
        (np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)), [[0, 1, 2], [3, 4, 5]]),
        (np.arange(3, dtype=np.uint8), [[0], [1], [2]]),
        (np.array(True), [[1]]),
        (np.arange(8, dtype=np.float32).reshape(2, 2, 2), [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (np.zeros((0, 3)), np.zeros((0, 3))),
    ],
)
def test_reads_npy_and_npz(tmp_path, array, expected):
    np.save(tmp_path / "x.npy", array)
    expected = np.array(expected, float)
    assert same_bits(read_dense(tmp_path / "x.npy"), expected)
    found = static_type(str(tmp_path / "x.npy"), {})
    assert (found.rows, found.cols) == expected.shape
    np.savez(tmp_path / "x.npz", array)
    assert same_bits(read_dense(tmp_path / "x.npz", format="npz"), expected)
    np.savez(tmp_path / "y.npz", a=array, b=array)
    assert same_bits(read_dense(tmp_path / "y.npz", format="npz", dataset="b"), expected)
    found = error(read, tmp_path / "y.npz", format="npz")
    assert "holds several arrays: a, b" in found.message
    assert "holds no array c" in error(read, tmp_path / "y.npz", format="npz", dataset="c").message


def test_numpy_files_without_numbers(tmp_path):
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert error(read, tmp_path / "o.npy").id == "not-supported"
    np.savez(tmp_path / "o.npz", np.array([{}], dtype=object), allow_pickle=True)
    assert error(read, tmp_path / "o.npz", format="npz", dataset="arr_0").id == "not-supported"
    np.save(tmp_path / "s.npy", np.array(["a"]))
    assert "holds cells of type <U1, not real numbers" in error(read, tmp_path / "s.npy").message
    for content in (b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff", b"PK\x03\x04", b"1,2\n"):
        path = put(tmp_path, content)
        assert error(read, path, format="npy").id == "data-format"
        assert error(read, path, format="npz").id == "data-format"


@pytest.mark.parametrize("format", ["npy", "npz"])
def test_numpy_round_trip(tmp_path, format):
    array = np.random.default_rng(0).standard_normal((5, 8))[:, ::2]
    write(array, tmp_path / "x", format=format)
    assert same_bits(read_dense(tmp_path / "x", format=format), array)
    wide = np.zeros((100, 90))
    wide[3, 4] = 2
    write(sparse(wide), tmp_path / "x", format=format)
    value = read(tmp_path / "x", format=format)
    assert isinstance(value, Sparse) and same_bits(value.to_dense(), wide)
    assert not (tmp_path / "x.mtd").exists()


def test_sparse_matrices_of_scipy(tmp_path):
    from scipy import sparse as sp

    array = np.zeros((80, 70))
    array[3, 4], array[5, 60] = 2, -1
    for kind in ("csr", "csc"):
        sp.save_npz(tmp_path / "x.npz", sp.csr_matrix(array).asformat(kind))
        assert same_bits(read_dense(tmp_path / "x.npz", format="npz"), array)
    sp.save_npz(tmp_path / "x.npz", sp.bsr_matrix(array))
    assert error(read, tmp_path / "x.npz", format="npz").id == "not-supported"
    write(sparse(array), tmp_path / "y.npz", format="npz")
    assert (sp.load_npz(tmp_path / "y.npz").toarray() == array).all()
