"""HDF5 files: those of SystemDS, of h5py and ours."""

import builtins
import shutil
from pathlib import Path

import numpy as np
import pytest
from io_testing import error, read, read_dense, same_bits, sparse, write

from pydml.io.load import static_type
from pydml.values import Sparse

h5py = pytest.importorskip("h5py", reason="the extra hdf5 is not installed")
DATA = Path(__file__).parent / "data"


def put(path, **datasets):
    with h5py.File(path, "w") as out:
        for name, array in datasets.items():
            out[name.replace("__", "/")] = array
    return path


def test_a_file_of_systemds():
    """Made by write(matrix(seq(1, 12), 3, 4) * 1.5, "x.h5", format="hdf5", dataset="systemds")."""
    expected = np.arange(1, 13).reshape(3, 4) * 1.5
    assert same_bits(read_dense(DATA / "systemds.h5", format="hdf5", dataset="systemds"), expected)
    assert same_bits(read_dense(DATA / "systemds.h5"), expected)  # by the first bytes


@pytest.mark.parametrize("make", [np.array, sparse])
@pytest.mark.parametrize("name", [None, "abc", "run/3"])
def test_round_trip(tmp_path, make, name):
    array = np.array([[1.5, 0, np.nan], [np.inf, -2, 1e-300]])
    write(make(array), tmp_path / "x.h5", format="hdf5", **({} if name is None else {"dataset": name}))
    assert same_bits(read_dense(tmp_path / "x.h5"), array)
    with h5py.File(tmp_path / "x.h5") as file:
        assert same_bits(file[name or "systemds"][...], array)
    assert '"format": "hdf5"' in (tmp_path / "x.h5.mtd").read_text()
    write(make(array), tmp_path / "x.h5.gz", format="hdf5")
    assert same_bits(read_dense(tmp_path / "x.h5.gz"), array)
    assert read(tmp_path / "x.h5", dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize("kind", ["int8", "uint64", "float32", "bool", ">f8"])
def test_types_and_shapes(tmp_path, kind):
    cells = np.arange(24).astype(kind)
    path = put(tmp_path / "x.h5", column=cells, image=cells.reshape(2, 3, 4), number=cells[3])
    assert same_bits(read_dense(path, format="hdf5", dataset="column"), cells.astype(float).reshape(-1, 1))
    assert same_bits(read_dense(path, format="hdf5", dataset="/image"), cells.astype(float).reshape(2, 12))
    assert same_bits(read_dense(path, format="hdf5", dataset="number"), cells[3].astype(float).reshape(1, 1))


def test_large_and_sparse(tmp_path):
    array = np.zeros((3000, 2000))
    array[::7, ::11] = 2.5
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as out:
        out.create_dataset("a", data=array, chunks=(100, 300), compression="gzip")
    value = read(path, format="hdf5")
    assert isinstance(value, Sparse)
    assert np.array_equal(value.to_dense(), array)
    assert (static_type(str(path), {"format": "hdf5"}).rows, static_type(str(path), {"format": "hdf5"}).cols) == (
        3000,
        2000,
    )


def test_a_folder_of_parts(tmp_path):
    (tmp_path / "x").mkdir()
    put(tmp_path / "x" / "0-m-00000", systemds=np.ones((2, 3)))
    put(tmp_path / "x" / "0-m-00001", systemds=np.zeros((1, 3)))
    (tmp_path / "x" / "_SUCCESS").touch()
    assert read_dense(tmp_path / "x", format="hdf5").tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]
    put(tmp_path / "x" / "0-m-00002", systemds=np.zeros((1, 2)))
    assert "0-m-00002 has 2 columns, the files before have 3" in error(read, tmp_path / "x", format="hdf5").message


def test_errors(tmp_path):
    path = put(tmp_path / "x.h5", a=np.ones((2, 2)), b=np.ones(3), run__c=np.ones(2))
    several = error(read, path, format="hdf5")
    assert several.id == "metadata"
    assert "holds 3 datasets: a, b, run/c" in several.message
    unknown = error(read, path, format="hdf5", dataset="run/d")
    assert "holds no dataset run/d" in unknown.message
    assert unknown.diagnostic.help == "did you mean run/c?"
    assert "x.h5 has 2 rows, the read statement says 5" in error(read, path, format="hdf5", dataset="a", rows=5).message
    with h5py.File(path, "a") as out:
        out["text"] = ["one", "two"]
    assert "not real numbers" in error(read, path, format="hdf5", dataset="text").message
    other = tmp_path / "other"
    other.write_text("1,2\n")
    assert "other is not an HDF5 file" in error(read, other, format="hdf5").message
    cut = tmp_path / "cut.h5"
    cut.write_bytes(path.read_bytes()[:100])
    assert (error(read, cut, format="hdf5").id, "cut.h5 is damaged" in error(read, cut, format="hdf5").message) == (
        "data-format",
        True,
    )
    assert error(write, np.ones((1, 1)), tmp_path / "y", format="hdf5", dataset="/").id == "value"


def test_without_the_library(tmp_path, monkeypatch):
    shutil.copy(DATA / "systemds.h5", tmp_path / "x.h5")
    imported = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "h5py":
            raise ImportError(name)
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    found = error(read, tmp_path / "x.h5", format="hdf5")
    assert found.id == "not-supported"
    assert "h5py" in found.message
    assert found.diagnostic.help == 'pip install "pydml[hdf5]"'
