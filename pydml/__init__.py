"""pydml runs scripts written in DML, the R-like language of Apache SystemDS, on NumPy, SciPy and Numba.

    pydml.run("y = sum(X)", X=array).y            run a script: `script.run`
    pydml.compile("step.dml", inputs=["W"])       compile once, call often: `script.compile`
    pydml.source("nn/layers/relu.dml").forward    a DML file as a library: `script.source`
    pydml.keep_freed_memory()                     for processes that train: `script.keep_freed_memory`
    pydml.DMLError                                every mistake in a script or its data

Names are loaded on first use, so that importing pydml costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydml.diagnostics import DMLError
    from pydml.script import Matrix, Result, Script, compile, keep_freed_memory, run, source

__version__ = "0.1.0"
__all__ = ["DMLError", "Matrix", "Result", "Script", "compile", "keep_freed_memory", "run", "source"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'pydml' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module("pydml.diagnostics" if name == "DMLError" else "pydml.script"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
