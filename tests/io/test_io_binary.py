"""Binary files of blocks: all kinds of blocks, damaged files."""

import struct
from pathlib import Path

import numpy as np
import pytest
from io_testing import error, read, read_dense, same_bits, sparse, write

from pydml.io import frame_blocks
from pydml.io.formats import binary
from pydml.values import Sparse

DATA = Path(__file__).parent / "data"


def matrix(rows, cols, share, seed=3):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, cols)) * (rng.random((rows, cols)) < share)


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (64, 1), (1, 64), (20, 20), (41, 23)])
@pytest.mark.parametrize("share", [0, 0.02, 0.1, 0.35, 0.6, 1])
@pytest.mark.parametrize("size", [1, 10, 1000])
def test_round_trip(tmp_path, shape, share, size):
    array = matrix(*shape, share)
    for made in (array, sparse(array), np.asfortranarray(array)):
        write(made, tmp_path / "x", format="binary", rows_in_block=size)
        assert same_bits(read_dense(tmp_path / "x"), array)
    single = read_dense(tmp_path / "x", dtype=np.float32)
    assert single.dtype == np.float32 and np.array_equal(single, array.astype(np.float32))


def kinds(path):
    return [record[4] for record in binary._records(str(path))]


@pytest.mark.parametrize("make", [np.array, sparse])
def test_kinds_of_blocks(tmp_path, make):
    array = np.zeros((40, 20))
    array[10:20, :10] = np.eye(10)[:, ::-1] + np.eye(10)
    array[20:30, :10] = 1
    array[30, 3] = 5
    write(make(array), tmp_path / "x", format="binary", rows_in_block=10)
    found = [k for k in kinds(tmp_path / "x") if k != binary._EMPTY]
    assert found == [binary._SPARSE, binary._DENSE, binary._ULTRA_SPARSE]
    assert same_bits(read_dense(tmp_path / "x"), array)


def test_stored_zeros_are_dropped(tmp_path):
    value = sparse(np.eye(3))
    value.csr.data[1] = 0
    write(value, tmp_path / "x", format="binary")
    assert same_bits(read_dense(tmp_path / "x"), np.diag([1.0, 0, 1]))


def test_wide_and_sparse_stays_sparse(tmp_path):
    from scipy.sparse import csr_matrix

    value = Sparse(csr_matrix(([1.5, 2.5], ([0, 999_999], [3, 2_000_000])), shape=(1_000_000, 2_000_001)))
    write(value, tmp_path / "x", format="binary")
    assert (tmp_path / "x").stat().st_size < 400
    again = read(tmp_path / "x")
    assert isinstance(again, Sparse) and (again.csr != value.csr).nnz == 0


def test_sync_marks_are_written_and_skipped(tmp_path):
    array = matrix(300, 300, 1)
    write(array, tmp_path / "x", format="binary", rows_in_block=40)
    content = (tmp_path / "x").read_bytes()
    assert content.count(b"\xff\xff\xff\xff" + content[110:126]) >= 5
    assert same_bits(read_dense(tmp_path / "x"), array)


def test_folder(tmp_path):
    (tmp_path / "x").mkdir()
    array = matrix(20, 7, 1)
    write(array, tmp_path / "all", format="binary", rows_in_block=10)
    content = (tmp_path / "all").read_bytes()
    middle = 126 + 4 + 4 + 16 + 9 + 8 * 70
    (tmp_path / "x" / "0-m-00000").write_bytes(content[:middle])
    (tmp_path / "x" / "0-m-00001").write_bytes(content[:126] + content[middle:])
    assert same_bits(read_dense(tmp_path / "x", format="binary", rows=20, cols=7, rows_in_block=10), array)


def test_any_damage_is_reported(tmp_path):
    """Cut anywhere or with any byte changed, a file is read as some matrix or refused; nothing else happens."""
    source = (DATA / "d.bin").read_bytes()
    path = tmp_path / "x"

    def attempt(content):
        path.write_bytes(content)
        try:
            return read(path, format="binary", rows=30, cols=11, rows_in_block=8)
        except Exception as problem:
            found = getattr(problem, "id", repr(problem))
            assert found in ("data-format", "metadata", "not-supported"), problem
            return None

    assert attempt(source) is not None
    for end in range(0, len(source), 7):
        attempt(source[:end])
    for place in range(len(source)):
        for change in (0x01, 0xFF):
            attempt(source[:place] + bytes([source[place] ^ change]) + source[place + 1 :])


def test_messages(tmp_path):
    path = tmp_path / "x"
    source = (DATA / "d.bin").read_bytes()

    def message(content, **sizes):
        path.write_bytes(content)
        return error(read, path, format="binary", **({"rows": 30, "cols": 11, "rows_in_block": 8} | sizes))

    assert "is not a binary matrix of SystemDS" in message(b"1,2\n").message
    assert "the file is damaged or cut off near byte" in message(source[:-1]).message
    frame = b"SEQ\x06" + b"\x01k" + bytes([len(frame_blocks._VALUE)]) + frame_blocks._VALUE
    assert "holds a frame, not a matrix" in message(frame).message
    other = message(source, rows=31)
    assert other.id == "metadata" and "does not fit in a matrix of 31 x 11 in blocks of 8 x 8" in other.message
    assert message(source, rows_in_block=9).id == "metadata"
    lacking = error(read, path, format="binary", rows=30)
    assert (lacking.id, "cols must be given" in lacking.message) == ("metadata", True)


def test_too_large_blocks(tmp_path):
    found = error(write, np.zeros((1, 1)), tmp_path / "x", format="binary", rows_in_block=0)
    assert (found.id, found.message) == ("value", "rows_in_block must be from 1 to 16000, got 0")


def test_long_class_names(tmp_path):
    """The length of a text over 127 has several bytes."""
    name = b"x" * 300
    (tmp_path / "x").write_bytes(b"SEQ\x06" + b"\x01k" + b"\x8e" + struct.pack(">H", 300) + name)
    assert "a SequenceFile of xxx" in error(read, tmp_path / "x", format="binary", rows=1, cols=1).message
