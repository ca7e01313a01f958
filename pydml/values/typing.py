"""The `Type` of a run-time value."""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.types import ANY, DOUBLE, LIST, MATRIX, SCALAR, Type, scalar_type
from pydml.values.list import List
from pydml.values.storage import is_matrix

NULL = Type("null")


def type_of(value: Any) -> Type:
    """Type of a run-time value, with all sizes; scalars carry their value."""
    cls = type(value)
    if cls is np.ndarray:
        rows, cols = value.shape
        return Type(MATRIX, DOUBLE, rows, cols)
    if cls is float or cls is int or cls is bool or cls is str:
        return scalar_type(value)
    if value is None:
        return NULL
    if cls is tuple:
        return Type("shape", const=value)
    if cls is List:
        return Type(LIST, rows=len(value), cols=1)
    if is_matrix(value):
        rows, cols = value.shape
        return Type(MATRIX, DOUBLE, rows, cols)
    if hasattr(value, "dml_type"):
        return value.dml_type()
    if isinstance(value, (float, np.floating)):
        return Type(SCALAR, DOUBLE, None, None, float(value))
    return ANY
