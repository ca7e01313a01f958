"""Helpers of the tests of files: reading and writing by keywords, and errors as (id, message)."""

from __future__ import annotations

import numpy as np
import pytest

from pydml.diagnostics import DMLError
from pydml.io.load import read_value
from pydml.io.save import write_value
from pydml.values import Sparse, is_matrix, to_dense


def read(path, **arguments):
    dtype = arguments.pop("dtype", np.float64)
    return read_value(str(path), arguments, dtype)


def write(value, path, **arguments):
    write_value(value, str(path), arguments)


def read_dense(path, **arguments):
    value = read(path, **arguments)
    assert is_matrix(value)
    return to_dense(value)


def error(call, *args, **kwargs):
    """The DMLError that the call raises."""
    with pytest.raises(DMLError) as caught:
        call(*args, **kwargs)
    return caught.value


def same_bits(a, b):
    """Equal shapes and equal cells, NaN equal to NaN, and -0.0 not distinguished from 0 (files do not hold its sign)."""
    return a.shape == b.shape and np.array_equal(a + 0.0, b + 0.0, equal_nan=True)


def sparse(array):
    from scipy.sparse import csr_matrix

    return Sparse(csr_matrix(array))
