"""Enters the kernels of this backend; see `pydml.backends`."""

from pydml.backends.cpu import fused  # noqa: F401  (registers its kernel)
