"""Scale, shift, sum and ReLU on tiles of a convolution's result, while they are in cache (`builtins.conv_steps`).

`conv` makes a `Finishing`; the algorithms call it for each part of the result as soon as that holds the convolution and its bias.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pydml.backends.cpu.jit import vector_shape
from pydml.builtins.conv import ConvGeometry


class Finishing:
    """out = max(0, out*scale + shift + addend) on parts of a result (N, F*P*Q).

    scale, shift: (F, 1), None for 1 and 0.  addend: (N, F*P*Q) or None.  cut: whether negative results become 0.
    """

    def __init__(
        self,
        g: ConvGeometry,
        dtype: Any,
        scale: np.ndarray | None,
        shift: np.ndarray | None,
        addend: np.ndarray | None,
        cut: bool,
    ):
        from pydml.backends.cpu.compiled import convolution

        self.filters, self.pixels = g.F, g.P * g.Q
        self.scale = np.ones(g.F, dtype) if scale is None else np.ascontiguousarray(scale).reshape(-1)
        self.shift = np.zeros(g.F, dtype) if shift is None else np.ascontiguousarray(shift).reshape(-1)
        self.addend = None if addend is None else np.ascontiguousarray(addend).reshape(-1)
        self.cut = cut
        self.run = convolution.finish_rows(dtype, vector_shape(dtype)[0])

    def __call__(
        self, results: np.ndarray, image: int, first: int, last: int, start: int, length: int, images: int = 1
    ) -> None:
        """results: the whole result as one row.  Of some images: filters [first, last), `length` pixels from `start` on."""
        at = (image * self.filters + first) * self.pixels + start
        more = self.addend
        self.run(
            results, at, images, self.filters * self.pixels, self.pixels, first, last, self.scale, self.shift, results if more is None else more,
            more is not None, self.cut, length,
        )  # fmt: skip
