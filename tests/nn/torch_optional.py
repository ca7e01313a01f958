"""PyTorch where it is installed; else stand-ins, and a test that calls one of them is skipped."""

from __future__ import annotations

from typing import Any

import pytest

__all__ = ["F", "torch"]

try:
    import torch
    import torch.nn.functional as F
except ImportError:

    class _Missing:
        def __getattr__(self, name: str) -> Any:
            return self

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            pytest.skip("PyTorch is not installed")

    torch: Any = _Missing()  # type: ignore[no-redef]
    F: Any = torch  # type: ignore[no-redef]
