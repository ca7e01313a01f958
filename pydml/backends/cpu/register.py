"""Enters the kernels of this backend; see `pydml.backends`."""

from pydml.backends.cpu import (  # noqa: F401  (each registers its kernels)
    augmentation,
    chains,
    conv,
    fused,
    gemm,
    lapack,
    loops,
    normalization,
    ordering,
    paramserv,
    pool,
    random,
    reduction,
    reorg,
    stored,
)
