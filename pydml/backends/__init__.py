"""Faster kernels for the builtins, found by the storage of the values.  Nobody imports a backend by name.

Each package here may hold a module `register`; the registry calls `load` once, after all builtins are declared, and `load`
imports those modules, which enter kernels with `registry.kernel`.  A `register` module imports nothing heavy: Numba, SciPy and
device libraries are imported by the first call that needs them.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil


def load() -> None:
    """Import `register` of every backend package."""
    for package in sorted(info.name for info in pkgutil.iter_modules(__path__) if info.ispkg):
        name = f"{__name__}.{package}.register"
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)
