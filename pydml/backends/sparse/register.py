"""Enters the sparse kernels: importing a family registers its kernels.  SciPy is imported by the first that runs."""

from pydml.backends.sparse import aggregate, elementwise, indexing, operators, product, reorg

__all__ = ["aggregate", "elementwise", "indexing", "operators", "product", "reorg"]
