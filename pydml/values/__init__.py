"""Run-time values: storages of matrices, lists, and their printed forms."""

from pydml.values.list import List
from pydml.values.storage import Sparse, is_matrix, kind_of, to_dense
from pydml.values.typing import type_of

__all__ = ["List", "Sparse", "is_matrix", "kind_of", "to_dense", "type_of"]
