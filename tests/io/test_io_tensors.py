"""Lists in one file: safetensors, and the arrays of npz files; the data that comes with the package."""

from __future__ import annotations

import json

import numpy as np
import pytest
from io_testing import error, read, same_bits, sparse, write

import pydml
from pydml.io.load import static_type
from pydml.values import List, is_matrix, to_dense

RNG = np.random.default_rng(1)


def container(header: object, numbers: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


def put(folder, content):
    path = folder / "x.safetensors"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("code", ["<f8", "<f4", "<f2", "<i8", "<i4", "<i2", "i1", "<u8", "<u4", "<u2", "u1", "?"])
def test_reads_what_the_safetensors_package_wrote(tmp_path, code):
    numpy_files = pytest.importorskip("safetensors.numpy", reason="the safetensors package is not installed")
    filters = RNG.integers(0, 2 if code == "?" else 100, size=(2, 3, 4, 5)).astype(code)
    tensors = {"conv.weight": filters, "bias": filters[0, 0, 0], "empty": np.zeros((0, 3), code)}
    numpy_files.save_file(tensors, tmp_path / "x.safetensors", metadata={"format": "np"})
    value = read(tmp_path / "x.safetensors")
    assert isinstance(value, List)
    assert set(value.names) == set(tensors)
    for name, item in zip(value.names, value.items, strict=True):
        array = tensors[name].astype(float)
        expected = array.reshape(array.shape[0], -1) if array.size else array
        assert same_bits(to_dense(item), expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_safetensors_package_reads_what_was_written(tmp_path, dtype):
    numpy_files = pytest.importorskip("safetensors.numpy", reason="the safetensors package is not installed")
    W, b = RNG.normal(size=(4, 18)).astype(dtype), RNG.normal(size=(4, 1)).astype(dtype)
    value = List([W, List([b, sparse(np.eye(3))], ["b", None]), 3, 2.5, True], ["W", "inner", "n", "x", "flag"])
    write(value, tmp_path / "x.safetensors", format="safetensors", tensors="W=4x2x3x3 inner.b=4 inner.1 n x flag")
    found = numpy_files.load_file(tmp_path / "x.safetensors")
    assert set(found) == {"W", "inner.b", "inner.1", "n", "x", "flag"}
    assert found["W"].dtype == dtype
    np.testing.assert_array_equal(found["W"], W.reshape(4, 2, 3, 3))
    np.testing.assert_array_equal(found["inner.b"], b.ravel())
    np.testing.assert_array_equal(found["inner.1"], np.eye(3))
    assert (found["n"].item(), found["x"].item(), found["flag"].item()) == (3, 2.5, True)
    assert not (tmp_path / "x.safetensors.mtd").exists()


def test_bfloat16_is_read_exactly(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = torch.randn(3, 4, dtype=torch.bfloat16, generator=torch.Generator().manual_seed(1))
    numbers = x.view(torch.int16).numpy().tobytes()
    header = {"x": {"dtype": "BF16", "shape": [3, 4], "data_offsets": [0, 24]}}
    value = read(put(tmp_path, container(header, numbers)), dataset="x")
    np.testing.assert_array_equal(value, x.double().numpy())


@pytest.mark.parametrize("format", ["safetensors", "npz"])
def test_a_list_comes_back_by_name(tmp_path, format):
    value = List([np.arange(6.0).reshape(2, 3), 7, np.zeros((0, 2)), sparse(np.eye(50))], ["a.b/c", "n", "none", "s"])
    path = tmp_path / "model"
    write(value, path, format=format)
    assert path.is_file()
    again = read(path, data_type="list", format=format)
    assert again.names == value.names
    assert again.items[1] == 7 and type(again.items[1]) is int
    for a, b in zip(again.items, value.items, strict=True):
        assert not is_matrix(b) or same_bits(to_dense(a), to_dense(b))
    assert same_bits(to_dense(read(path, format=format, dataset="s")), np.eye(50))


def test_a_list_replaces_a_folder_and_a_folder_a_file(tmp_path):
    value = List([np.eye(2)], ["a"])
    for format in ("csv", "safetensors", "binary", "npz"):
        write(value, tmp_path / "m", format=format)
        assert (tmp_path / "m").is_dir() == (format in ("csv", "binary"))
        read_back = read(tmp_path / "m", **({"data_type": "list"} if format == "npz" else {}))
        assert same_bits(to_dense(read_back.items[0]), np.eye(2))


def test_single_tensors_and_their_types(tmp_path):
    path = tmp_path / "x.safetensors"
    write(np.eye(3), path, format="safetensors")
    assert same_bits(read(path, data_type="matrix"), np.eye(3))
    assert (static_type(str(path), {"dataset": "matrix"}).rows, static_type(str(path), {}).data) == (3, "list")
    write(List([np.eye(3), np.eye(2)], ["a", "b"]), path, format="safetensors")
    assert "holds 2 tensors, not one matrix" in error(read, path, data_type="matrix").message
    assert "holds no tensor c" in error(read, path, dataset="c").message


def test_dml_writes_and_reads_models(tmp_path):
    script = """
    model = list(W=matrix("1 2 3 4", rows=2, cols=2), b=matrix("5 6", rows=1, cols=2))
    write(model, $path, format="safetensors")
    again = read($path)
    s = sum(as.matrix(again["W"])) + sum(as.matrix(again["b"]))
    """
    assert pydml.run(script, nvargs={"path": str(tmp_path / "m.safetensors")}, outputs=["s"]).s == 21


ENTRY = {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "does not begin with the length"),
        (b"\xff" * 8 + b"{}", "does not begin with the length"),
        (container(b"{nonsense}"), "header is not JSON"),
        (container([1]), "not a JSON object"),
        (container({"a": {"dtype": "F64"}}), "the entry a lacks one of dtype, shape, data_offsets"),
        (container({"a": ENTRY | {"shape": [-2]}}, bytes(16)), "the entry a has no valid sizes"),
        (container({"a": ENTRY}, bytes(8)), "may be cut off"),
        (container({"a": ENTRY | {"shape": [3]}}, bytes(16)), "do not fill its sizes"),
    ],
)
def test_damaged_safetensors(tmp_path, content, message):
    found = error(read, put(tmp_path, content), format="safetensors")
    assert found.id == "data-format"
    assert message in found.message


def test_what_safetensors_cannot_hold(tmp_path):
    path = tmp_path / "x.safetensors"
    eye = np.eye(2)
    for value, options, message in [
        (List(["text"], ["a"]), {}, "a is a string: safetensors files hold matrices and numbers"),
        (List([eye, List([eye], ["b"])], ["a.b", "a"]), {}, "two elements of the list would be called a.b"),
        (List([eye], ["__metadata__"]), {}, "is no name of a tensor"),
        (List([eye], ["a"]), {"tensors": "b=4 c"}, "tensors describes 2 tensors, but there are 1 elements"),
        (List([eye], ["a"]), {"tensors": "a=2x3"}, "tensors gives a 6 cells, but it has 4"),
        (List([eye], ["a"]), {"tensors": "a=2*2"}, "should look like name=64x3x11x11"),
        (List([eye, eye]), {"tensors": "a a"}, "tensors names a twice"),
    ]:
        assert message in error(write, value, path, format="safetensors", **options).message
        assert not path.exists()
    header = {"a": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}}
    assert "numbers of type F8_E4M3" in error(read, put(tmp_path, container(header, b"\0"))).message


def test_shipped_data_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("scripts/nn/examples/data/fashion-mnist", "nn/examples/data/fashion-mnist"):
        assert to_dense(read(f"{name}/t10k-labels-idx1-ubyte.gz", format="idx")).shape == (1000, 1)
        assert static_type(f"{name}/t10k-labels-idx1-ubyte.gz", {"format": "idx"}).rows == 1000
    own = tmp_path / "nn" / "examples" / "data" / "fashion-mnist"
    own.mkdir(parents=True)
    write(np.ones((3, 1)), own / "t10k-labels-idx1-ubyte.gz", format="idx")
    assert to_dense(read("nn/examples/data/fashion-mnist/t10k-labels-idx1-ubyte.gz", format="idx")).shape == (3, 1)
    assert "there is no file nn/../nn/none" in error(read, "nn/../nn/none", format="idx").message
