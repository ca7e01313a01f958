"""Frames in binary files: those that SystemDS wrote (data/recipe.dml), and ours."""

import struct
from pathlib import Path

import pytest
from frame_testing import cells, frame, read, same, write
from hypothesis import given, settings
from hypothesis import strategies as st

from pydml.diagnostics import DMLError
from pydml.io import frame_blocks

DATA = Path(__file__).parent / "data"
TYPES = [["abc", "d"], ["1", "0"], ["2.5", "0.0"], ["true", "false"]]


@pytest.mark.parametrize("name", ["types.bin", "types.csv", "types.text"])
def test_reads_all_types(name):
    found = read(DATA / name)
    assert found.schema == ("STRING", "INT64", "FP64", "BOOLEAN")
    assert cells(found) == TYPES


def test_reads_names_and_missing_cells():
    named = read(DATA / "named.bin")
    assert (named.column_names, cells(named)) == (("u", "v"), [["1", "3"], ["2", "4"]])
    assert cells(read(DATA / "missing.bin")) == cells(read(DATA / "missing.csv")) == [["a", "b"], [None, None]]


def test_reads_blocks_and_bits():
    found = read(DATA / "blocks.bin")
    assert found.schema == ("INT32", "BOOLEAN") and found.rows == 1100
    assert found.columns[0].data.tolist() == list(range(1, 1101))
    assert found.columns[1].data.tolist() == [i % 2 == 1 for i in range(1, 1101)]


def test_reads_rare_types():
    found = read(DATA / "rare.bin")
    assert found.schema == ("CHARACTER", "FP32", "HASH32", "HASH64", "UINT8")
    assert cells(found) == [["x"], ["2.0"], ["deadbeef"], ["beefdeadbeefdead"], ["7"]]


def test_reads_columns_with_a_mask():
    # what SystemDS wrote says that all cells are there
    assert cells(read(DATA / "nullable.bin")) == [["1", "0", "7"], ["2.5", "0.0", "0.5"], ["true", "false", "false"]]


def test_metadata_of_transformencode_are_the_same_in_all_formats():
    found = [read(DATA / f"meta.{format}") for format in ("bin", "csv", "text")]
    for meta in found:
        assert meta.imputed == ("b", "3", None, None)
        assert cells(meta) == [["a\xb72", "b\xb71"], [None, None], ["1.0\xb72.5", "2.5\xb74.0"], ["5", None]]
    assert [meta.distinct for meta in found] == [(2, -1, 2, -1)] * 3


@pytest.mark.parametrize("name", ["named.bin", "rare.bin"])
def test_writes_the_same_bytes(tmp_path, name):
    write(read(DATA / name), tmp_path / name, format="binary")
    ours, theirs = ((folder / name).read_bytes() for folder in (tmp_path, DATA))
    start = ours.index(frame_blocks._VALUE) + len(frame_blocks._VALUE) + 6
    ours, theirs = (d[:start] + d[start + 16 :] for d in (ours, theirs))  # without the sync marker, which is random
    # where no column has a name, SystemDS says so or writes C1, C2, ...
    assert ours == theirs or name == "rare.bin"
    assert same(read(tmp_path / name), read(DATA / name))


TEXTS = st.lists(st.one_of(st.none(), st.text(min_size=1, max_size=5)), min_size=3, max_size=3)
NUMBERS = st.lists(st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1).map(str)), min_size=3, max_size=3)
FLAGS = st.lists(st.sampled_from([None, "true", "false"]), min_size=3, max_size=3)


@settings(max_examples=50, deadline=None)
@given(TEXTS, NUMBERS, FLAGS, st.booleans())
def test_what_is_written_is_read_again(tmp_path_factory, texts, numbers, flags, named):
    value = frame(
        texts, numbers, flags, names=["a", "\u00e4", "c"] if named else None, types=["STRING", "INT32", "BOOLEAN"]
    )
    path = tmp_path_factory.mktemp("binary") / "F"
    write(value, path, format="binary")
    assert same(read(path), value)


def test_many_rows(tmp_path):
    value = frame([f"text {i}" for i in range(12345)], [str(i) for i in range(12345)], types=["STRING", "INT64"])
    write(value, tmp_path / "F", format="binary")
    assert same(read(tmp_path / "F"), value)


def test_messages(tmp_path):
    path = tmp_path / "F"
    source = (DATA / "types.bin").read_bytes()

    def message(content, **arguments):
        path.write_bytes(content)
        with pytest.raises(DMLError) as caught:
            read(path, format="binary", data_type="frame", **({"rows": 2, "cols": 4} | arguments))
        return caught.value.message

    assert "the file is damaged or cut off near byte" in message(source[:-1])
    assert "the file is damaged" in message(source.replace(b"\0\x02C2", b"\0\x03C2"))
    assert "has 2 rows, the read statement says 3" in message(source, rows=3)
    assert "is not a binary frame of SystemDS" in message(b"a,b\n")
    matrix = Path(__file__).parent.parent / "io" / "data" / "a.bin"
    assert "holds a matrix, not a frame" in message(matrix.read_bytes())
    kind = source.rindex(struct.pack(">bb", 1, 1))  # the booleans of the last column
    assert "columns of kind 10 are not supported" in message(source[:kind] + b"\x0a" + source[kind + 1 :])


def test_long_texts_do_not_fit(tmp_path):
    with pytest.raises(DMLError, match="a cell of 70000 bytes is too long"):
        write(frame(["x" * 70000]), tmp_path / "F", format="binary")
    assert not (tmp_path / "F").exists()
