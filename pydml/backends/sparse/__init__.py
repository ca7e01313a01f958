"""Kernels for sparse matrices in compressed-row form (`values.Sparse`), on SciPy.

`register` enters them for the builtins.  `form` makes sparse results; `operators`, `product`, `elementwise` and `aggregate` hold the
kernels of the builtin families of the same names.  Results agree with the meaning on dense matrices.
"""
