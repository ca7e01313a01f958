"""Convolution, pooling and their gradients, and the per-channel bias operations.

A batch of N images is a matrix of N rows; a row holds C channels of H x W cells, channel by channel and row by row.  F filters
are a matrix of F rows; a row holds C planes of Hf x Wf weights.  `ConvGeometry` holds these sizes, stride and padding, and the
only formula for the size of the output; forward, gradients, pooling and every backend use it.

The functions here say what each builtin means, image by image with NumPy.  The fast kernels are in `backends`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from pydml.builtins.registry import builtin
from pydml.diagnostics import fail
from pydml.records import dataclass
from pydml.types import Type
from pydml.values import arithmetic, type_of


@dataclass(frozen=True)
class ConvGeometry:
    """Sizes of a convolution: C x H x W images, F filters of C x Hf x Wf, stride (sh, sw), zero padding (ph, pw) on each side.

    The output has F channels of P x Q cells.  Pooling is described the same way, with F = C and the pool as filter.
    Printed as `in * kernel -> out`.
    """

    C: int
    H: int
    W: int
    F: int
    Hf: int
    Wf: int
    sh: int = 1
    sw: int = 1
    ph: int = 0
    pw: int = 0

    @cached_property
    def P(self) -> int:
        """Height of the output: floor((H + 2 ph - Hf) / sh) + 1."""
        return _output_size(self.H, self.Hf, self.sh, self.ph)

    @cached_property
    def Q(self) -> int:
        """Width of the output: floor((W + 2 pw - Wf) / sw) + 1."""
        return _output_size(self.W, self.Wf, self.sw, self.pw)

    @cached_property
    def image_cols(self) -> int:
        return self.C * self.H * self.W

    @cached_property
    def filter_cols(self) -> int:
        return self.C * self.Hf * self.Wf

    @cached_property
    def output_cols(self) -> int:
        return self.F * self.P * self.Q

    @cached_property
    def is_product(self) -> bool:
        """Whether each image is the matrix of columns, so that the convolution is the product of the filters with it."""
        return (self.Hf, self.Wf, self.sh, self.sw, self.ph, self.pw) == (1, 1, 1, 1, 0, 0)

    @cached_property
    def multiply_adds(self) -> int:
        """Multiplications of one image's convolution, padding included."""
        return self.output_cols * self.filter_cols

    @cached_property
    def _hash(self) -> int:
        return hash((self.C, self.H, self.W, self.F, self.Hf, self.Wf, self.sh, self.sw, self.ph, self.pw))

    def __hash__(self) -> int:
        return self._hash  # a call looks up several plans by its geometry

    def __str__(self) -> str:
        text = f"{self.C}x{self.H}x{self.W} * {self.F}x{self.C}x{self.Hf}x{self.Wf} -> {self.F}x{self.P}x{self.Q}"
        if (self.sh, self.sw) != (1, 1):
            text += f", stride {self.sh}x{self.sw}"
        if (self.ph, self.pw) != (0, 0):
            text += f", padding {self.ph}x{self.pw}"
        return text


def _output_size(size: int, window: int, stride: int, padding: int) -> int:
    return (size + 2 * padding - window) // stride + 1


# ---- from the arguments of a call to a geometry


def _sizes(function: str, name: str, value: Sequence[Any], count: int, least: int) -> tuple[int, ...]:
    """The entries of a bracket list as ints; doubles are truncated, as in SystemDS."""
    if len(value) != count:
        fail("shape-mismatch", f"{function}: {name} needs {count} entries, got {len(value)}: {_bracket(value)}")
    for entry in value:
        if isinstance(entry, bool) or not isinstance(entry, (int, float)) or not least <= entry < 2**31:
            what = "positive" if least else "non-negative"
            fail("value", f"{function}: the entries of {name} must be {what} numbers, got {_bracket(value)}")
    return tuple(int(entry) for entry in value)


def _bracket(value: Sequence[Any]) -> str:
    scalars = (bool, int, float, str)
    return f"[{','.join(arithmetic.text(v) if isinstance(v, scalars) else 'a ' + type_of(v).data for v in value)}]"


@lru_cache(maxsize=512)
def conv_geometry(
    function: str, input_shape: tuple, filter_shape: tuple, stride: tuple, padding: tuple
) -> tuple[int, ConvGeometry]:
    """(N, geometry) from input_shape [N,C,H,W], filter_shape [F,C,Hf,Wf], stride [sh,sw], padding [ph,pw].

    function: the builtin's name for messages.  Raises DMLError "value" for sizes that are not positive, "shape-mismatch" for a
    filter of other channels than the images or larger than the padded image.
    """
    N, C, H, W = _sizes(function, "input_shape", input_shape, 4, 1)
    F, filter_channels, Hf, Wf = _sizes(function, "filter_shape", filter_shape, 4, 1)
    sh, sw = _sizes(function, "stride", stride, 2, 1)
    ph, pw = _sizes(function, "padding", padding, 2, 0)
    if filter_channels != C:
        fail(
            "shape-mismatch",
            f"{function}: the filter expects {_count(filter_channels, 'channel')}, the images have {C}",
            notes=[f"input_shape is {_bracket(input_shape)}, filter_shape is {_bracket(filter_shape)}"],
        )
    return N, _fitting(function, "filter", ConvGeometry(C, H, W, F, Hf, Wf, sh, sw, ph, pw))


@lru_cache(maxsize=512)
def pool_geometry(
    function: str, input_shape: tuple, pool_size: tuple, stride: tuple, padding: tuple
) -> tuple[int, ConvGeometry]:
    """(N, geometry) from input_shape [N,C,H,W], pool_size [Hp,Wp], stride, padding; errors as `conv_geometry`."""
    N, C, H, W = _sizes(function, "input_shape", input_shape, 4, 1)
    Hp, Wp = _sizes(function, "pool_size", pool_size, 2, 1)
    sh, sw = _sizes(function, "stride", stride, 2, 1)
    ph, pw = _sizes(function, "padding", padding, 2, 0)
    return N, _fitting(function, "pool", ConvGeometry(C, H, W, C, Hp, Wp, sh, sw, ph, pw))


def _geometry_of(geometry: Any, function: str, shapes: Sequence[Type]) -> tuple[int, ConvGeometry]:
    """`conv_geometry` or `pool_geometry` of bracket lists that nobody has looked at yet."""
    lists: list[Any] = [s.const for s in shapes]
    if all(type(entry) in (int, float) for entries in lists for entry in entries):
        return geometry(function, *lists)
    return geometry.__wrapped__(function, *lists)  # tells what is wrong: as a key, TRUE equals 1 and a matrix is none


def _fitting(function: str, window: str, g: ConvGeometry) -> ConvGeometry:
    if g.Hf > g.H + 2 * g.ph or g.Wf > g.W + 2 * g.pw:
        fail(
            "shape-mismatch",
            f"{function}: the {window} is {g.Hf} x {g.Wf}, larger than the padded image of "
            f"{g.H + 2 * g.ph} x {g.W + 2 * g.pw}",
            notes=[f"the images are {g.H} x {g.W}, the padding is {g.ph} and {g.pw} on each side"],
        )
    return g


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _check_size(function: str, name: str, given: Type, rows: int, cols: int, reason: str) -> None:
    """Fail unless the matrix argument can be rows x cols."""
    if given.rows not in (None, rows) or given.cols not in (None, cols):
        fail("shape-mismatch", f"{function}: {name} is {given.size_text()}, expected {rows} x {cols}", notes=[reason])


def _conv_rule(function: str, left: str, right: str, result: str) -> Callable[..., tuple[int | None, int | None]]:
    """Size rule of a convolution; left, right, result: which of images, filter, output the arguments and the result are."""

    def rule(left_type: Type, right_type: Type, *shapes: Type) -> tuple[int | None, int | None]:
        if any(s.const is None for s in shapes):
            return None, None
        N, g = _geometry_of(conv_geometry, function, shapes)
        sizes = {"images": (N, g.image_cols), "filter": (g.F, g.filter_cols), "output": (N, g.output_cols)}
        names = {"images": "X", "filter": "W", "output": "dout"}
        texts = {
            "images": "input_shape gives N x C*H*W",
            "filter": "filter_shape gives F x C*Hf*Wf",
            "output": "the convolution gives N x F*P*Q",
        }
        for part, given in ((left, left_type), (right, right_type)):
            _check_size(function, names[part], given, *sizes[part], f"{texts[part]} for {g}")
        return sizes[result]

    return rule


def _pool_rule(function: str, backward: bool) -> Callable[..., tuple[int | None, int | None]]:
    def rule(*types: Type) -> tuple[int | None, int | None]:
        shapes = types[2:] if backward else types[1:]
        if any(s.const is None for s in shapes):
            return None, None
        N, g = _geometry_of(pool_geometry, function, shapes)
        _check_size(function, "X", types[0], N, g.image_cols, f"input_shape gives N x C*H*W for {g}")
        if backward:
            _check_size(function, "dout", types[1], N, g.output_cols, f"the pooling gives N x C*P*Q for {g}")
            return N, g.image_cols
        return N, g.output_cols

    return rule


def _bias_rule(function: str) -> Callable[[Type, Type], tuple[int | None, int | None]]:
    def rule(X: Type, b: Type) -> tuple[int | None, int | None]:
        if b.cols is not None and b.cols != 1:
            fail(
                "shape-mismatch",
                f"{function}: b must be a column vector (F x 1), got {b.size_text()}",
                help="use t() to turn a row vector" if b.rows == 1 else "",
            )
        if X.cols is not None and b.rows is not None and (b.rows == 0 or X.cols % b.rows != 0):
            fail(
                "shape-mismatch",
                f"{function}: X has {_count(X.cols, 'column')}, which cannot be divided among the {b.rows} channels of b",
                notes=[f"X is {X.size_text()}, b is {b.size_text()}"],
            )
        return X.rows, X.cols

    return rule


# ---- convolution


def _taps(g: ConvGeometry) -> np.ndarray:
    """Which padded cell each output cell sees through each weight: indexes of shape (C*Hf*Wf, P*Q)."""
    c, i, j, p, q = np.ogrid[: g.C, : g.Hf, : g.Wf, : g.P, : g.Q]
    cells = (c * (g.H + 2 * g.ph) + p * g.sh + i) * (g.W + 2 * g.pw) + q * g.sw + j
    return cells.reshape(g.filter_cols, g.P * g.Q)


def _padded(row: np.ndarray, g: ConvGeometry, value: float) -> np.ndarray:
    """The cells of one image with its border, flat."""
    return np.pad(row.reshape(g.C, g.H, g.W), ((0, 0), (g.ph, g.ph), (g.pw, g.pw)), constant_values=value).ravel()


def _inner(padded: np.ndarray, g: ConvGeometry) -> np.ndarray:
    """The cells of an image without its border, flat."""
    planes = padded.reshape(g.C, g.H + 2 * g.ph, g.W + 2 * g.pw)
    return planes[:, g.ph : g.ph + g.H, g.pw : g.pw + g.W].ravel()


def convolve(X: np.ndarray, W: np.ndarray, g: ConvGeometry) -> np.ndarray:
    """Images (N, C*H*W), filters (F, C*Hf*Wf) -> (N, F*P*Q)."""
    taps = _taps(g)
    out = np.empty((len(X), g.output_cols), np.result_type(X, W))
    for n, image in enumerate(X):
        out[n] = (W @ _padded(image, g, 0)[taps]).ravel()
    return out


def convolve_filter_gradient(X: np.ndarray, dout: np.ndarray, g: ConvGeometry) -> np.ndarray:
    """Images (N, C*H*W), gradient of the output (N, F*P*Q) -> gradient of the filters (F, C*Hf*Wf)."""
    taps = _taps(g)
    dW = np.zeros((g.F, g.filter_cols), np.result_type(X, dout))
    for image, d in zip(X, dout, strict=True):
        dW += d.reshape(g.F, g.P * g.Q) @ _padded(image, g, 0)[taps].T
    return dW


def convolve_data_gradient(W: np.ndarray, dout: np.ndarray, g: ConvGeometry) -> np.ndarray:
    """Filters (F, C*Hf*Wf), gradient of the output (N, F*P*Q) -> gradient of the images (N, C*H*W)."""
    taps = _taps(g)
    dX = np.empty((len(dout), g.image_cols), np.result_type(W, dout))
    for n, d in enumerate(dout):
        padded = np.zeros(g.C * (g.H + 2 * g.ph) * (g.W + 2 * g.pw), dX.dtype)
        np.add.at(padded, taps, W.T @ d.reshape(g.F, g.P * g.Q))
        dX[n] = _inner(padded, g)
    return dX


@builtin(
    "conv2d(X: matrix, W: matrix, input_shape: shape, filter_shape: shape, stride: shape, padding: shape) -> matrix",
    shape=_conv_rule("conv2d", "images", "filter", "output"),
)
def conv2d(X, W, input_shape, filter_shape, stride, padding):
    """Convolution of images with filters: out[n,f,p,q] = sum over c,i,j of X[n,c,p*sh+i-ph,q*sw+j-pw] * W[f,c,i,j].

    X: images, (N, C*H*W).  W: filters, (F, C*Hf*Wf).  input_shape: [N,C,H,W].  filter_shape: [F,C,Hf,Wf].  stride: [sh,sw].
    padding: [ph,pw] rows and columns of zeros on each side.  Returns (N, F*P*Q), P = floor((H + 2*ph - Hf)/sh) + 1, Q alike.
    The filter is not flipped (cross-correlation, as deep learning calls convolution).  Cells that the last full step of the
    stride does not reach are left out.  Errors: shape-mismatch, value.
    Same as SystemDS `conv2d`, except that 0 * Inf is NaN here; SystemDS skips weights of 0.
    """
    _, g = conv_geometry("conv2d", input_shape, filter_shape, stride, padding)
    return convolve(X, W, g)


@builtin(
    "conv2d_backward_filter(X: matrix, dout: matrix, input_shape: shape, filter_shape: shape, stride: shape, padding: shape)"
    " -> matrix",
    shape=_conv_rule("conv2d_backward_filter", "images", "output", "filter"),
)
def conv2d_backward_filter(X, dout, input_shape, filter_shape, stride, padding):
    """Gradient of `conv2d` with respect to the filters, summed over the images.

    X: images, (N, C*H*W).  dout: gradient of the output, (N, F*P*Q).  Shapes as for `conv2d`.  Returns (F, C*Hf*Wf).
    Errors: shape-mismatch, value.  Same as SystemDS `conv2d_backward_filter`.
    """
    _, g = conv_geometry("conv2d_backward_filter", input_shape, filter_shape, stride, padding)
    return convolve_filter_gradient(X, dout, g)


@builtin(
    "conv2d_backward_data(W: matrix, dout: matrix, input_shape: shape, filter_shape: shape, stride: shape, padding: shape)"
    " -> matrix",
    shape=_conv_rule("conv2d_backward_data", "filter", "output", "images"),
)
def conv2d_backward_data(W, dout, input_shape, filter_shape, stride, padding):
    """Gradient of `conv2d` with respect to the images.

    W: filters, (F, C*Hf*Wf).  dout: gradient of the output, (N, F*P*Q).  Shapes as for `conv2d`.  Returns (N, C*H*W); cells
    that no filter position reaches have gradient 0.  Errors: shape-mismatch, value.  Same as SystemDS `conv2d_backward_data`.
    """
    _, g = conv_geometry("conv2d_backward_data", input_shape, filter_shape, stride, padding)
    return convolve_data_gradient(W, dout, g)


conv2d.case(
    'conv2d(matrix(seq(1,9), rows=1, cols=9), matrix("1 0 0 1", rows=1, cols=4), input_shape=[1,1,3,3], '
    "filter_shape=[1,1,2,2], stride=[1,1], padding=[0,0])",
    "6 8 12 14",
)
conv2d.case(  # a filter larger than the stride, padding in one direction, two channels
    "conv2d(matrix(seq(1,12), rows=1, cols=12), matrix(seq(1,12), rows=2, cols=6), input_shape=[1,2,2,3], "
    "filter_shape=[2,2,1,3], stride=[1,2], padding=[0,1])",
    "91 85 139 121 199 217 319 325",
)
conv2d.fails(
    "conv2d(matrix(1, 1, 16), matrix(1, 1, 9), input_shape=[1,1,4,matrix(4, 1, 1)], filter_shape=[1,1,3,3], stride=[1,1], padding=[1,1])",
    "value",
    "must be positive numbers, got [1,1,4,a matrix]",
)
conv2d.fails(
    "conv2d(matrix(1, 1, 16), matrix(1, 1, 9), input_shape=[1,1,4,4], filter_shape=[1,1,3,3], stride=[1,TRUE], padding=[1,1])",
    "value",
    "stride must be positive numbers, got [1,TRUE]",
)
conv2d.fails(
    "conv2d(matrix(1, rows=2, cols=27), matrix(1, rows=1, cols=16), input_shape=[2,3,3,3], filter_shape=[1,4,2,2], "
    "stride=[1,1], padding=[0,0])",
    "shape-mismatch",
    "the filter expects 4 channels, the images have 3",
)
conv2d.fails(
    "conv2d(matrix(1, rows=2, cols=10), matrix(1, rows=1, cols=4), input_shape=[2,1,3,3], filter_shape=[1,1,2,2], "
    "stride=[1,1], padding=[0,0])",
    "shape-mismatch",
    "X is 2 x 10, expected 2 x 9",
)
conv2d.fails(
    "conv2d(matrix(1, rows=2, cols=9), matrix(1, rows=1, cols=25), input_shape=[2,1,3,3], filter_shape=[1,1,5,5], "
    "stride=[1,1], padding=[0,0])",
    "shape-mismatch",
    "the filter is 5 x 5, larger than the padded image of 3 x 3",
)
conv2d.fails(
    "conv2d(matrix(1, rows=2, cols=9), matrix(1, rows=1, cols=4), input_shape=[2,1,3,3], filter_shape=[1,1,2,2], "
    "stride=[0,1], padding=[0,0])",
    "value",
    "the entries of stride must be positive numbers, got [0,1]",
)
conv2d_backward_filter.case(
    'conv2d_backward_filter(matrix(seq(1,9), rows=1, cols=9), matrix("1 0 0 1", rows=1, cols=4), input_shape=[1,1,3,3], '
    "filter_shape=[1,1,2,2], stride=[1,1], padding=[0,0])",
    "6 8 12 14",
)
conv2d_backward_filter.fails(
    "conv2d_backward_filter(matrix(1, rows=1, cols=9), matrix(1, rows=1, cols=5), input_shape=[1,1,3,3], "
    "filter_shape=[1,1,2,2], stride=[1,1], padding=[0,0])",
    "shape-mismatch",
    "dout is 1 x 5, expected 1 x 4",
)
conv2d_backward_data.case(
    'conv2d_backward_data(matrix("1 2 3 4", rows=1, cols=4), matrix("1 10 100 1000", rows=1, cols=4), input_shape=[1,1,3,3], '
    "filter_shape=[1,1,2,2], stride=[1,1], padding=[0,0])",
    "1 12 20 103 1234 2040 300 3400 4000",
)
conv2d_backward_data.case(  # stride larger than the filter: the cells between get 0
    'conv2d_backward_data(matrix("2", rows=1, cols=1), matrix("1 2 3 4", rows=1, cols=4), input_shape=[1,1,3,3], '
    "filter_shape=[1,1,1,1], stride=[2,2], padding=[0,0])",
    "2 0 4 0 0 0 6 0 8",
)


# ---- pooling


def _windows(g: ConvGeometry) -> Iterator[tuple[int, np.ndarray]]:
    """(output column, the image columns in its window in row-major order); the cells of the padding are left out."""
    for c in range(g.C):
        for p in range(g.P):
            for q in range(g.Q):
                rows = np.arange(max(p * g.sh - g.ph, 0), min(p * g.sh - g.ph + g.Hf, g.H))
                cols = np.arange(max(q * g.sw - g.pw, 0), min(q * g.sw - g.pw + g.Wf, g.W))
                yield (c * g.P + p) * g.Q + q, ((c * g.H + rows[:, None]) * g.W + cols).ravel()


def pool_max(X: np.ndarray, g: ConvGeometry) -> np.ndarray:
    """(N, C*H*W) -> (N, C*P*Q)."""
    out = np.empty((len(X), g.output_cols), X.dtype)
    for o, cells in _windows(g):
        out[:, o] = X[:, cells].max(axis=1, initial=-np.inf)
    return out


def pool_max_gradient(X: np.ndarray, dout: np.ndarray, g: ConvGeometry) -> np.ndarray:
    """(N, C*H*W), (N, C*P*Q) -> (N, C*H*W)."""
    dX = np.zeros((len(X), g.image_cols), np.result_type(X, dout))
    images = np.arange(len(X))
    for o, cells in _windows(g):
        if len(cells):
            values = np.where(np.isnan(X[:, cells]), -np.inf, X[:, cells])
            first = values.argmax(axis=1)
            found = values[images, first] > -np.inf
            dX[images[found], cells[first[found]]] += dout[found, o]
    return dX


def pool_average(X: np.ndarray, g: ConvGeometry) -> np.ndarray:
    """(N, C*H*W) -> (N, C*P*Q)."""
    out = np.empty((len(X), g.output_cols), X.dtype)
    for o, cells in _windows(g):
        out[:, o] = X[:, cells].sum(axis=1) / (g.Hf * g.Wf)
    return out


def pool_average_gradient(dout: np.ndarray, g: ConvGeometry) -> np.ndarray:
    """(N, C*P*Q) -> (N, C*H*W)."""
    dX = np.zeros((len(dout), g.image_cols), dout.dtype)
    for o, cells in _windows(g):
        dX[:, cells] += dout[:, [o]] / (g.Hf * g.Wf)
    return dX


@builtin(
    "max_pool(X: matrix, input_shape: shape, pool_size: shape, stride: shape, padding: shape) -> matrix",
    shape=_pool_rule("max_pool", backward=False),
)
def max_pool(X, input_shape, pool_size, stride, padding):
    """Maximum of each window of each channel; cells of the padding are ignored.

    X: images, (N, C*H*W).  input_shape: [N,C,H,W].  pool_size: [Hp,Wp].  stride: [sh,sw].  padding: [ph,pw].
    Returns (N, C*P*Q), P = floor((H + 2*ph - Hp)/sh) + 1, Q alike.  A NaN in the window gives NaN.  A window that lies in the
    padding gives -Infinity.  Errors: shape-mismatch, value.
    Same as SystemDS `max_pool`, which gives -1.797...E308 where the maximum is -Infinity.
    """
    _, g = pool_geometry("max_pool", input_shape, pool_size, stride, padding)
    return pool_max(X, g)


@builtin(
    "max_pool_backward(X: matrix, dout: matrix, input_shape: shape, pool_size: shape, stride: shape, padding: shape) -> matrix",
    shape=_pool_rule("max_pool_backward", backward=True),
)
def max_pool_backward(X, dout, input_shape, pool_size, stride, padding):
    """Gradient of `max_pool`: each window's gradient goes to its first maximum in row-major order; overlaps add up.

    X: images, (N, C*H*W).  dout: gradient of the output, (N, C*P*Q).  Shapes as for `max_pool`.  Returns (N, C*H*W).
    NaN cells are passed over; a window without a cell above -Infinity passes nothing on.  Errors: shape-mismatch, value.
    Same as SystemDS `max_pool_backward`, except where windows overlap and share a maximum: SystemDS 3.4.0 keeps one of their
    gradients there or enters the cell several times.  Where all of X is 0 it returns zeros.
    """
    _, g = pool_geometry("max_pool_backward", input_shape, pool_size, stride, padding)
    return pool_max_gradient(X, dout, g)


@builtin(
    "avg_pool(X: matrix, input_shape: shape, pool_size: shape, stride: shape, padding: shape) -> matrix",
    shape=_pool_rule("avg_pool", backward=False),
)
def avg_pool(X, input_shape, pool_size, stride, padding):
    """Sum of each window of each channel divided by Hp*Wp, the full size of the pool; the padding counts as zeros.

    Arguments, result and errors as for `max_pool`.  Same as SystemDS `avg_pool`.
    """
    _, g = pool_geometry("avg_pool", input_shape, pool_size, stride, padding)
    return pool_average(X, g)


@builtin(
    "avg_pool_backward(X: matrix, dout: matrix, input_shape: shape, pool_size: shape, stride: shape, padding: shape) -> matrix",
    shape=_pool_rule("avg_pool_backward", backward=True),
)
def avg_pool_backward(X, dout, input_shape, pool_size, stride, padding):
    """Gradient of `avg_pool`: dout/(Hp*Wp) is added to each cell of the window.

    X: images, (N, C*H*W); only its size matters.  dout: (N, C*P*Q).  Returns (N, C*H*W).  Errors: shape-mismatch, value.
    Same as SystemDS `avg_pool_backward`.
    """
    _, g = pool_geometry("avg_pool_backward", input_shape, pool_size, stride, padding)
    return pool_average_gradient(dout, g)


_POOL = "input_shape=[1,1,3,3], pool_size=[2,2], stride=[1,1], padding=[0,0]"
_PADDED_POOL = "input_shape=[1,1,3,3], pool_size=[2,2], stride=[2,2], padding=[1,1]"

max_pool.case(f"max_pool(matrix(seq(1,9), rows=1, cols=9), {_POOL})", "5 6 8 9")
max_pool.case(f"max_pool(matrix(seq(-9,-1), rows=1, cols=9), {_PADDED_POOL})", "-9 -7 -3 -1")
max_pool.fails(
    f"max_pool(matrix(1, rows=1, cols=8), {_POOL})",
    "shape-mismatch",
    "X is 1 x 8, expected 1 x 9",
)
max_pool.fails(
    "max_pool(matrix(1, rows=1, cols=9), input_shape=[1,1,3,3], pool_size=[2,2], stride=[1,1], padding=[-1,0])",
    "value",
    "the entries of padding must be non-negative numbers, got [-1,0]",
)
max_pool_backward.case(
    f'max_pool_backward(matrix(1, rows=1, cols=9), matrix("1 10 100 1000", rows=1, cols=4), {_POOL})',
    "1 10 0 100 1000 0 0 0 0",
)
max_pool_backward.case(
    f'max_pool_backward(matrix(seq(1,9), rows=1, cols=9), matrix("1 10 100 1000", rows=1, cols=4), {_PADDED_POOL})',
    "1 0 10 0 0 0 100 0 1000",
)
avg_pool.case(f"avg_pool(matrix(seq(1,9), rows=1, cols=9), {_POOL})", "3 4 6 7")
avg_pool.case(f"avg_pool(matrix(seq(1,9), rows=1, cols=9), {_PADDED_POOL})", "0.25 1.25 2.75 7")
avg_pool_backward.case(
    f'avg_pool_backward(matrix(1, rows=1, cols=9), matrix("4 8 12 16", rows=1, cols=4), {_POOL})',
    "1 3 2 4 10 6 3 7 4",
)


# ---- bias


@builtin("bias_add(X: matrix, b: matrix) -> matrix", shape=_bias_rule("bias_add"))
def bias_add(X, b):
    """Adds b[f] to all cells of channel f.

    X: (N, F*M), F channels of M cells.  b: (F, 1).  Returns (N, F*M).  Errors: shape-mismatch, for b as a row vector too.
    Same as SystemDS `bias_add`.
    """
    return X + np.repeat(b[:, 0], X.shape[1] // len(b))


@builtin("bias_multiply(X: matrix, b: matrix) -> matrix", shape=_bias_rule("bias_multiply"))
def bias_multiply(X, b):
    """Multiplies all cells of channel f by b[f].

    X: (N, F*M), F channels of M cells.  b: (F, 1).  Returns (N, F*M).  Errors: shape-mismatch, for b as a row vector too.
    Same as SystemDS `bias_multiply`.
    """
    return X * np.repeat(b[:, 0], X.shape[1] // len(b))


bias_add.case(
    'bias_add(matrix(seq(1,8), rows=2, cols=4), matrix("10 20", rows=2, cols=1))', "11 12 23 24 / 15 16 27 28"
)
bias_add.fails(
    'bias_add(matrix(1, rows=2, cols=4), matrix("10 20", rows=1, cols=2))',
    "shape-mismatch",
    "b must be a column vector",
)
bias_add.fails(
    "bias_add(matrix(1, rows=2, cols=7), matrix(1, rows=2, cols=1))",
    "shape-mismatch",
    "X has 7 columns, which cannot be divided among the 2 channels of b",
)
bias_multiply.case(
    'bias_multiply(matrix(seq(1,8), rows=2, cols=4), matrix("10 20", rows=2, cols=1))', "10 20 60 80 / 50 60 140 160"
)
