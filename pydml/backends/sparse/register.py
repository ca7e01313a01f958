"""Enters the sparse kernels: importing a family registers its kernels.  SciPy is imported by the first that runs."""

from pydml.backends.sparse import aggregate, elementwise, images, indexing, operators, product, reorg, sampled, solve

__all__ = ["aggregate", "elementwise", "images", "indexing", "operators", "product", "reorg", "sampled", "solve"]
