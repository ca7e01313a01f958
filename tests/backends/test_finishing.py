"""Scale, shift, sum and ReLU where a convolution writes its result: the same as one after the other, whatever the algorithm."""

import numpy as np
import pytest

import pydml
from pydml.backends.cpu import columns, conv, interleaved, product, threads, winograd
from pydml.backends.cpu.finishing import Finishing
from pydml.builtins.conv import ConvGeometry, convolve
from pydml.diagnostics import DMLError

# (batch, C, H, W, F, Hf, Wf, sh, sw, ph, pw)
SIZES = [
    (1, 16, 14, 14, 40, 1, 1, 1, 1, 0, 0),
    (3, 4, 30, 31, 33, 3, 3, 1, 1, 1, 1),
    (1, 64, 28, 28, 70, 3, 3, 1, 1, 1, 1),
    (1, 96, 50, 50, 97, 3, 3, 1, 1, 1, 1),  # Winograd's method with all threads on one block
    (2, 3, 41, 40, 65, 7, 7, 2, 2, 3, 3),
    (1, 64, 15, 15, 130, 3, 3, 2, 2, 1, 1),
    (17, 20, 7, 7, 40, 1, 1, 1, 1, 0, 0),
    (5, 4, 7, 9, 13, 1, 1, 2, 2, 0, 0),
    (1, 200, 30, 30, 300, 1, 1, 1, 1, 0, 0),  # tiles of filters or of pixels
    (1, 300, 12, 12, 600, 1, 1, 1, 1, 0, 0),
]
PARTS = [("scale", "shift", "addend", "cut"), ("scale", "shift", "cut"), ("shift", "addend"), ("cut",), ("scale",)]


def forward(method, X, W, bias, g, dtype, finish):
    out = np.empty((len(X), g.output_cols), dtype)
    if method is winograd:
        for n in winograd.POINTS[g.Hf]:
            out = np.empty((len(X), g.output_cols), dtype)
            assert winograd.forward(X, W, bias, g, dtype, out, n, finish)
            yield out
    else:
        method.forward(X, W, bias, g, dtype, out, finish)
        yield out


def given(sizes, dtype, seed=3):
    N, *rest = sizes
    g = ConvGeometry(*rest)
    rng = np.random.default_rng(seed)
    shapes = {
        "X": (N, g.image_cols),
        "W": (g.F, g.filter_cols),
        "bias": (g.F, 1),
        "scale": (g.F, 1),
        "shift": (g.F, 1),
        "addend": (N, g.output_cols),
    }
    return g, {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize(
    "method", [columns, interleaved, product, winograd], ids=lambda m: m.__name__.rpartition(".")[2]
)
def test_algorithms(method, sizes, dtype):
    g, values = given(sizes, dtype)
    if method is winograd and not winograd.applies(g):
        pytest.skip("not a 3x3 filter of stride 1")
    if method is interleaved and (sizes[7], sizes[8]) != (1, 1):
        pytest.skip("not for other strides")
    if method is columns and sizes[0] > 5:
        pytest.skip("not for many images")
    X, W, bias = values["X"], values["W"], values["bias"]
    plain = convolve(X.astype(float), W.astype(float), g)
    pixels = g.P * g.Q
    for with_bias, parts in zip((True, False, False, True, False), PARTS, strict=True):
        expected = plain + np.repeat(bias[:, 0], pixels) if with_bias else plain.copy()
        if "scale" in parts:
            expected *= np.repeat(values["scale"][:, 0], pixels)
        if "shift" in parts:
            expected += np.repeat(values["shift"][:, 0], pixels)
        if "addend" in parts:
            expected += values["addend"]
        if "cut" in parts:
            expected = np.maximum(expected, 0)
        finish = Finishing(
            g, dtype, *(values[p] if p in parts else None for p in ("scale", "shift", "addend")), "cut" in parts
        )
        for result in forward(method, X, W, bias if with_bias else None, g, dtype, finish):
            tolerance = 1e-11 if dtype == np.float64 else 1e-4
            np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance * abs(plain).max())


TEXT = """
f = function(matrix[double] X, matrix[double] W, matrix[double] s, matrix[double] t, matrix[double] R, list[unknown] g)
  return (matrix[double] A) {
  C = as.integer(as.scalar(g[1]))
  H = as.integer(as.scalar(g[2]))
  F = as.integer(as.scalar(g[3]))
  z = conv2d(X, W, input_shape=[nrow(X), C, H, H], filter_shape=[F, C, 3, 3], stride=[1, 1], padding=[1, 1])
  A = max(0, bias_add(bias_multiply(z, s), t - s) + R)
}
A = f(X, W, s, t, R, g)
"""


def run(optimized=True, precision="single", threads_=None, **values):
    script = pydml.Script(TEXT, precision=precision, threads=threads_, optimized=optimized)
    return np.asarray(script.input(**values).run("A")["A"])


def network(N=1, C=32, H=20, F=48, seed=4):
    rng = np.random.default_rng(seed)
    shapes = {"X": (N, C * H * H), "W": (F, C * 9), "s": (F, 1), "t": (F, 1), "R": (N, F * H * H)}
    values = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return values | {"g": [C, H, F]}


@pytest.fixture
def calls(monkeypatch):
    """How many results were finished while they were written."""
    made = []

    class Counted(Finishing):
        def __init__(self, *args):
            made.append(args)
            super().__init__(*args)

    monkeypatch.setattr(conv, "Finishing", Counted)
    return made


@pytest.mark.parametrize(
    ("N", "sizes", "algorithm"),
    [
        (1, (32, 20, 48), "winograd F(4x4, 3x3)"),
        (9, (32, 20, 48), "winograd F(4x4, 3x3)"),
        (64, (1, 28, 8), "interleaved"),
    ],
)
def test_script(N, sizes, algorithm, calls):
    C, H, F = sizes
    assert str(conv.choose(ConvGeometry(C, H, H, F, 3, 3, 1, 1, 1, 1), np.float32, N)) == algorithm
    values = network(N, *sizes)
    result = run(**values)
    assert len(calls) == 1
    exact = run(optimized=False, precision="double", **values)
    assert len(calls) == 1
    np.testing.assert_allclose(result, exact, rtol=0, atol=1e-4 * abs(exact).max())
    assert np.array_equal(result, run(threads_=1, **values))
    assert np.array_equal(result, run(optimized=False, **values))  # each operation rounds as on its own


def test_nan_and_infinity(calls):
    values = network()
    values["X"][0, 7] = np.nan
    values["X"][0, 32 * 200] = np.inf
    values["R"][0, 3] = -np.inf
    result, exact = run(**values), run(optimized=False, precision="double", **values)
    assert len(calls) == 1
    assert np.isnan(exact).any() and (exact[0, 3] == 0 or np.isnan(exact[0, 3]))
    np.testing.assert_allclose(result, exact, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"R": np.ones((1, 1), np.float32)},
        {"R": np.ones((3, 1), np.float32)},
        {"s": np.zeros((48, 1), np.float32)},
        {"X": np.zeros((3, 32 * 400), np.float32)},
    ],
    ids=["one number", "a column", "zeros", "no images"],
)
def test_other_operands(change):
    """What is broadcast goes step by step."""
    values = network(N=3) | change
    result, exact = run(**values), run(optimized=False, precision="double", **values)
    np.testing.assert_allclose(result, exact, rtol=0, atol=1e-4 * max(abs(exact).max(), 1))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"X": np.ones((1, 7), np.float32)}, "conv2d"),
        ({"s": np.ones((7, 1), np.float32), "t": np.ones((7, 1), np.float32)}, "bias_multiply"),
        ({"t": np.ones((5, 1), np.float32)}, "t - s"),
        ({"R": np.ones((2, 5), np.float32)}, "R"),
    ],
)
def test_mistakes(change, place):
    """The message and the line are those of the operation that fails."""
    values = network() | change
    messages = []
    for optimized in (True, False):
        with pytest.raises(DMLError) as caught:
            run(optimized=optimized, **values)
        diagnostic = caught.value.diagnostic
        messages.append((diagnostic.id, diagnostic.message, diagnostic.span.start, diagnostic.span.end))
    assert messages[0] == messages[1]
    assert place in TEXT[messages[0][2] : messages[0][3]]


def test_small_work_and_threads():
    """Below the work that is worth a kernel the steps run one by one."""
    values = network(C=2, H=6, F=3)
    exact = run(optimized=False, precision="double", **values)
    np.testing.assert_allclose(run(**values), exact, rtol=0, atol=1e-4 * abs(exact).max())
    values = network(C=64, H=28, F=64)
    with threads.limit(1):
        one = run(**values)
    assert np.array_equal(one, run(**values))
