"""read, readMM and write as DML calls them: arguments, types before the run, precision."""

import gzip

import numpy as np
import pytest
from io_testing import error, read_dense, same_bits, write

from pydml.builtins import registry
from pydml.diagnostics import SourceFile, Span
from pydml.execution.context import Context
from pydml.types import scalar_type
from pydml.values.typing import NULL

HERE = Span(SourceFile("<test>", "x"), 0, 1)
A = np.array([[1.5, 0.1], [0, -3]])


def call(name, *positional, context=None, **named):
    builtin = registry.get(name)
    arguments = builtin.signature.bind(positional, [(k, v, HERE) for k, v in named.items()], HERE)
    return builtin(context or Context(), *arguments)


def types(name, path, **named):
    builtin = registry.get(name)
    arguments = builtin.signature.bind(
        [path], [(k, v, HERE) for k, v in named.items()], HERE, default=lambda v: NULL if v is None else scalar_type(v)
    )
    return str(builtin.infer(arguments)[0])


def test_read_and_write(tmp_path):
    path = str(tmp_path / "x")
    assert call("write", A, path, format="csv", sep=";") is None
    assert same_bits(call("read", path), A)
    assert same_bits(call("read", path, format="csv", rows=2, cols="2"), A)
    single = call("read", path, context=Context(dtype=np.float32))
    assert single.dtype == np.float32 and np.array_equal(single, A.astype(np.float32))
    assert error(call, "write", A, path, form="csv").id == "call"
    assert error(call, "read", path, sparse=True).id == "call"
    assert error(call, "read", 3).id == "argument-type"


def test_sparse_matrices_are_written_as_they_are(tmp_path, monkeypatch):
    from scipy.sparse import csr_matrix

    from pydml.values import Sparse

    value = Sparse(csr_matrix(([1.0], ([5], [7])), shape=(10**6, 10**6)))
    for format in ("text", "mm", "binary", "npz"):
        call("write", value, str(tmp_path / "x"), format=format)
        again = call("read", str(tmp_path / "x"), format=format)
        assert again.shape == value.shape and again.csr[5, 7] == 1
    assert registry.get("write").fallbacks == 0


def test_what_systemds_accepts_without_effect(tmp_path):
    path = str(tmp_path / "x")
    idle = {"data_type": "matrix", "value_type": "double", "rows": 9, "cols": 9, "nnz": 9, "fill": True, "default": 1.0}
    call("write", A, path, format="csv", cols_in_block=10, naStrings="NA", **idle)
    assert same_bits(call("read", path), A)


def test_matrix_market(tmp_path):
    path = str(tmp_path / "x.mtx")
    call("write", A, path, format="mm")
    assert same_bits(call("readMM", path, rows=2, cols=2, nnz=3), A)
    assert error(call, "readMM", path, rows=3).id == "metadata"
    assert types("readMM", scalar_type(path)) == "matrix 2 x 2"
    assert types("readMM", scalar_type(path)._replace(const=None)) == "matrix"


def test_types_before_the_run(tmp_path):
    path = str(tmp_path / "x")
    call("write", A, path)
    known, unknown = scalar_type(path), scalar_type(path)._replace(const=None)
    assert types("read", known) == "matrix 2 x 2"
    assert types("read", known, rows=scalar_type(2)) == "matrix 2 x 2"
    assert error(types, "read", known, rows=scalar_type(3)).id == "metadata"
    assert error(types, "read", scalar_type(path + "?")).id == "file"
    # a value that is not known yet: only what the call itself says
    assert types("read", known, rows=scalar_type(3)._replace(const=None)) == "value"
    assert types("read", unknown) == "value"
    assert types("read", unknown, data_type=scalar_type("matrix")) == "matrix"
    assert types("read", unknown, data_type=scalar_type("LIST")) == "list"
    assert types("read", unknown, data_type=scalar_type("scalar")) == "double"
    assert types("read", unknown, data_type=scalar_type("scalar"), value_type=scalar_type("int")) == "int"


@pytest.mark.parametrize("format", ["csv", "text", "mm", "binary", "libsvm", "idx", "npy", "npz"])
def test_compressed_files(tmp_path, format):
    path = tmp_path / "x.gz"
    write(A, path, format=format)
    gzip.decompress(path.read_bytes())
    assert same_bits(read_dense(path, format=format), A)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_documentation_lists_the_formats():
    for name in ("read", "write"):
        text = registry.get(name).doc
        assert "\n      csv: one line per row" in text
        assert '\n        sep: what divides cells: one or more characters, taken literally; default ",".' in text
    assert "naStrings" in registry.get("read").doc
