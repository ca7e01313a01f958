"""Enters the kernels of this backend; see `pydml.backends`."""

from pydml.backends.cpu import fused, random  # noqa: F401  (each registers its kernels)
