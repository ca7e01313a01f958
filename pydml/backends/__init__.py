"""Kernels: faster or other-storage implementations of builtins, held equal to their meanings.

A backend is a folder here.  Its modules register kernels by `builtins.registry.kernel` when they are imported; nobody
imports them by name.  They import numba and scipy inside of functions, so that loading costs nothing.
"""

from __future__ import annotations

import importlib
import pkgutil

BACKENDS = ("cpu",)


def load(names: tuple[str, ...] = BACKENDS) -> None:
    """Import all modules of the named backends."""
    for name in names:
        package = importlib.import_module(f"pydml.backends.{name}")
        for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda i: i.name):
            importlib.import_module(f"pydml.backends.{name}.{info.name}")
