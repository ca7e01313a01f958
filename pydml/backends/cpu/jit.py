"""Compilation of kernels by Numba: late, once for each variant, and kept on disk.

    @compiled
    def scale(dtype):
        def run(X, factor): ...
        return types.void(vector(dtype), types.intp), run

    scale(np.float32)(X, 3)

The decorated factory is called by the first use of a variant, and what it returns is compiled for that signature only: a run
pays for the kernels, the precision and the sizes of vectors it uses.  Kernels release the GIL, never start threads, and follow
IEEE rules for NaN and infinities (no fastmath; where a sum may be reordered, the kernel writes that order down).

`@vectorized` is `@compiled` for kernels that write their vectors down (`compiled.simd`) and allocate nothing: LLVM need not look for
loops to vectorise and to unroll, and no code counts references.  That is a third of the time of compilation.

Compiled code is kept in the private cache folder, in a subfolder named by a digest of the sources in `compiled`: Numba
itself notices a change of the file that holds a kernel, but not of the files it uses.  Numba keys entries by the processor as
well.
"""

from __future__ import annotations

import functools
import gc
import glob
import importlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

# Compilation runs under one lock: Numba holds one of its own anyway.
_lock = threading.RLock()


def compiled(factory: Callable[..., tuple[Any, Callable[..., Any]]]) -> Callable[..., Callable[..., Any]]:
    """Make a factory of (signature, function) a cached factory of compiled functions.  Constants must be hashable."""
    return _variants(factory, written_out=False)


def vectorized(factory: Callable[..., tuple[Any, Callable[..., Any]]]) -> Callable[..., Callable[..., Any]]:
    """As `compiled`, for kernels that write their vectors down and allocate nothing: see above."""
    return _variants(factory, written_out=True)


def _variants(factory: Callable[..., Any], written_out: bool) -> Callable[..., Callable[..., Any]]:
    variants: dict[tuple, Callable[..., Any]] = {}

    @functools.wraps(factory)
    def variant(*constants: Any) -> Callable[..., Any]:
        kernel = variants.get(constants)
        if kernel is None:
            with _lock:
                kernel = variants.get(constants)
                if kernel is None:
                    signature, function = factory(*constants)
                    function.__qualname__ = _name(factory, constants)
                    kernel = variants[constants] = _compile(signature, function, written_out)
        return kernel

    return variant


def _name(factory: Callable[..., Any], constants: tuple[Any, ...]) -> str:
    """A name of its own for each variant, of which Numba makes the symbol of its code.

    Beside it a symbol has a number counted through the process that compiled it.  Variants that differ in constants only, compiled in
    two processes and then loaded from disk by a third, could have the same one: then one got the code of the other.
    """
    return "_".join([factory.__name__, *(c.__name__ if isinstance(c, type) else str(c) for c in constants)])


def _compile(signature: Any, function: Callable[..., Any], written_out: bool) -> Callable[..., Any]:
    """written_out: see `vectorized`."""
    import numba

    _without_scipy()
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        # Numba's key has what a closure holds; a compiled function there is another one in each process, so that nothing is found again.
        if callable(cell.cell_contents) and not isinstance(cell.cell_contents, (type, numba.types.Type)):
            raise TypeError(f"{function.__module__}: a kernel must find {name} in its module, not in its factory")
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "boundscheck": False, "no_cfunc_wrapper": True}
    settings: dict[str, Any] = {}
    if written_out:
        options["_nrt"] = False
        level = type(numba.config.OPT)(min(numba.config.OPT, 2))
        settings = {"LOOP_VECTORIZE": 0, "SLP_VECTORIZE": 0, "OPT": level}
    dispatcher = numba.njit(**options)(function)
    folder = cache_folder()
    if folder is not None:
        with _numba_settings(CACHE_DIR=folder):
            try:
                dispatcher.enable_caching()
            except RuntimeError:  # the source has no place on disk
                pass
    collecting = gc.isenabled()
    gc.disable()  # a compilation makes hundreds of thousands of objects that live until its end
    try:
        with _numba_settings(**settings):
            dispatcher.compile(signature)
    finally:
        if collecting:
            gc.enable()
    dispatcher.disable_compile()
    return dispatcher


@functools.cache
def _without_scipy() -> None:
    """Load the part of Numba that asks for SciPy's BLAS without the answer, which costs 0.3 s: our kernels do not call it so.

    pydml needs SciPy, so the answer is yes.  Who uses `dot` in code of Numba's has it looked for there, as ever.
    """
    with suppress(ImportError, AttributeError):  # other versions of Numba may have other parts
        from numba.np import linalg

        ask = linalg.ensure_blas
        try:
            linalg.ensure_blas = lambda: None
            from numba.np import arraymath

            arraymath.ensure_blas = ask
        finally:
            linalg.ensure_blas = ask


@contextmanager
def _numba_settings(**settings: Any) -> Iterator[None]:
    """Settings of Numba for a while, in which no other thread compiles."""
    from numba import config
    from numba.core.compiler_lock import global_compiler_lock

    with global_compiler_lock:
        before = {name: getattr(config, name) for name in settings}
        try:
            for name, value in settings.items():
                setattr(config, name, value)
            yield
        finally:
            for name, value in before.items():
                setattr(config, name, value)


def code_address(kernel: Any) -> int:
    """Where the code of a compiled kernel is, for kernels that call it (`compiled.simd.call`)."""
    (result,) = kernel.overloads.values()
    return result.library.get_pointer_to_function(result.fndesc.llvm_func_name)


@functools.cache
def kernels(name: str) -> Any:
    """The module `compiled.NAME`, which imports Numba.  An import statement in a function is looked up anew with each call."""
    return importlib.import_module(f"pydml.backends.cpu.compiled.{name}")


@functools.cache
def is_kept(module: str, factory: str) -> bool:
    """Whether code of a factory of `compiled` was on disk when this was first asked."""
    folder = cache_folder()
    return folder is not None and any(glob.iglob(os.path.join(glob.escape(folder), "*", f"{module}.{factory}*.nbi")))


@functools.cache
def vector_bytes() -> int:
    """Bytes of the vectors that kernels use on this processor.

    With AVX-512 the compiler prefers half vectors on Intel processors and splits whole ones, which would not fit in the
    registers; on AMD's it takes whole ones.  A processor chosen by Numba's own settings gets the smallest vectors.
    """
    import numba
    from llvmlite import binding

    if numba.config.CPU_NAME or numba.config.CPU_FEATURES:
        return 16
    features = binding.get_host_cpu_features()
    if features.get("avx512f") and features.get("avx512vl") and binding.get_host_cpu_name().startswith("znver"):
        return 64
    return 32 if features.get("avx2") and features.get("fma") else 16


@functools.cache
def vector_shape(dtype: Any) -> tuple[int, int]:
    """(elements of a vector, rows of a product tile): with AVX-512 there are twice as many registers."""
    size = vector_bytes()
    return size // np.dtype(dtype).itemsize, 12 if size == 64 else 6


@functools.cache
def cache_folder() -> str | None:
    """The folder of compiled code; None where there is no safe one."""
    from pydml import cache

    parent = cache.directory()
    if parent is None:
        return None
    path = os.path.join(parent, f"compiled-{_digest()}")
    try:
        if not os.path.isdir(path):
            _drop_old(parent)
        os.makedirs(path, mode=0o700, exist_ok=True)
        os.utime(path)
    except OSError:
        return None
    return path


def _drop_old(parent: str) -> None:
    """Remove the code of other versions that was not used for a month."""
    import shutil

    limit = time.time() - 30 * 24 * 3600
    for entry in os.scandir(parent):
        if entry.name.startswith("compiled-") and entry.stat(follow_symlinks=False).st_mtime < limit:
            shutil.rmtree(entry.path, ignore_errors=True)


def _digest() -> str:
    """Of the sources that kernels share."""
    import hashlib

    digest = hashlib.sha256()
    folder = os.path.join(os.path.dirname(__file__), "compiled")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py"):
            with open(os.path.join(folder, name), "rb") as file:
                digest.update(name.encode() + b"\0" + file.read())
    return digest.hexdigest()[:16]
