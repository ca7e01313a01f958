"""Every algorithm for convolution gives what the meaning gives, over sizes, strides, paddings, precisions and views."""

import numpy as np
import pytest

from pydml import cli
from pydml.backends.cpu import columns, conv, interleaved, product, threads, winograd
from pydml.builtins import conv as meaning
from pydml.builtins.conv import ConvGeometry

SEED = 20

# (batch, C, H, W, F, Hf, Wf, sh, sw, ph, pw)
SIZES = [
    (1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0),
    (3, 2, 9, 8, 5, 3, 3, 1, 1, 1, 1),
    (2, 3, 23, 20, 7, 5, 4, 3, 2, 2, 1),  # everything odd
    (18, 1, 28, 28, 6, 5, 5, 1, 1, 2, 2),  # several images in a tile
    (5, 4, 7, 7, 13, 1, 1, 1, 1, 0, 0),  # a plain product
    (5, 4, 7, 9, 13, 1, 1, 2, 2, 0, 0),  # cells that no filter reaches
    (2, 3, 30, 31, 20, 11, 11, 4, 4, 2, 0),
    (1, 8, 64, 64, 33, 3, 3, 2, 2, 1, 1),  # one image in bands
    (20, 3, 5, 5, 7, 5, 5, 1, 1, 0, 0),  # one output cell
    (2, 40, 12, 12, 9, 3, 3, 1, 1, 0, 0),
    (1, 100, 6, 50, 8, 5, 5, 1, 1, 2, 2),  # more taps than fit in a panel
    (3, 2, 6, 6, 4, 2, 2, 3, 3, 0, 0),  # stride larger than the filter
    (2, 2, 5, 6, 4, 2, 2, 3, 4, 3, 3),  # padding larger than the filter
    (18, 5, 12, 8, 7, 1, 1, 2, 2, 0, 0),  # even sizes and stride 2: gradients of images from four quarters
    (3, 9, 10, 12, 13, 3, 3, 2, 2, 1, 1),
    (17, 20, 7, 7, 40, 1, 1, 1, 1, 0, 0),  # a block of pixels is several images
    (
        3,
        20,
        28,
        28,
        300,
        1,
        1,
        1,
        1,
        0,
        0,
    ),  # a block of pixels is a part of an image, and of rows a part of the filters
]


def case(sizes, dtype, seed=SEED):
    """Geometry, images, filters, bias, output gradient."""
    N, *rest = sizes
    g = ConvGeometry(*rest)
    rng = np.random.default_rng(seed)
    shapes = (N, g.image_cols), (g.F, g.filter_cols), (g.F, 1), (N, g.output_cols)
    return g, *(rng.standard_normal(shape).astype(dtype) for shape in shapes)


def assert_close(result, expected, dtype, single=5e-5):
    """Relative to the largest value: cells of a sum of products may cancel."""
    assert result.dtype == dtype
    assert result.shape == expected.shape
    tolerance = 1e-12 if dtype == np.float64 else single
    scale = max(np.abs(expected).max(initial=0), 1e-30)
    assert np.abs(result - expected).max(initial=0) <= tolerance * scale


def double(*matrices):
    return [m.astype(np.float64) for m in matrices]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("sizes", SIZES, ids=lambda s: str(ConvGeometry(*s[1:])))
def test_panels_agree_with_meaning(sizes, dtype):
    check(product.forward, product.data_gradient, product.filter_gradient, sizes, dtype, 1e-5)


FEW = [
    (2, 200, 7, 9, 300, 1, 1, 1, 1, 0, 0),  # blocks of filters of a plain product
    (1, 60, 40, 40, 64, 3, 3, 1, 1, 1, 1),  # blocks of pixels
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("sizes", SIZES + FEW, ids=lambda s: str(ConvGeometry(*s[1:])))
def test_columns_agree_with_meaning(sizes, dtype):
    g, X, W, b, dout = case(sizes, dtype)
    out = np.full_like(dout, np.nan)
    columns.forward(X, W, b, g, dtype, out)
    X, W, b = double(X, W, b)
    assert_close(out, meaning.convolve(X, W, g) + np.repeat(b[:, 0], g.P * g.Q), dtype, 1e-5)


INTERLEAVED_SIZES = [
    (1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0),
    (16, 6, 14, 14, 16, 5, 5, 1, 1, 0, 0),
    (37, 1, 28, 28, 6, 5, 5, 1, 1, 2, 2),  # whole blocks of images and a part of one
    (9, 2, 9, 8, 13, 3, 3, 1, 1, 1, 1),
    (17, 3, 5, 5, 7, 5, 5, 1, 1, 0, 0),  # one output cell
    (20, 5, 3, 2, 4, 3, 3, 1, 1, 2, 2),  # an image smaller than the filter
    (33, 4, 7, 11, 5, 3, 2, 1, 1, 0, 1),  # other padding in rows than in columns
    (600, 2, 6, 7, 3, 1, 3, 1, 1, 0, 2),  # several blocks in a partial sum
    (18, 3, 1, 40, 8, 1, 4, 1, 1, 0, 0),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("sizes", INTERLEAVED_SIZES, ids=lambda s: str(ConvGeometry(*s[1:])))
def test_interleaved_images_agree_with_meaning(sizes, dtype):
    check(interleaved.forward, interleaved.data_gradient, interleaved.filter_gradient, sizes, dtype, 1e-5)


@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("place", [0, 60])
def test_infinities_and_nan_stay_with_the_images_and_taps_that_see_them(value, place):
    g, X, W, _, dout = case((61, 4, 10, 10, 12, 5, 5, 1, 1, 0, 0), np.float64)
    for part in ("output", "data", "filter"):
        assert conv.choose(g, np.float64, len(X), part) is conv.INTERLEAVED
    for M in (X, dout, W):
        cell = M[min(place, len(M) - 1)]
        kept, cell[4] = cell[4], value
        with np.errstate(invalid="ignore"):
            expected = meaning.convolve(X, W, g), meaning.convolve_data_gradient(W, dout, g)
            gradient = meaning.convolve_filter_gradient(X, dout, g)
        dW = np.empty_like(W)
        interleaved.filter_gradient(X, dout, g, np.float64, dW)
        found = conv.forward(X, W, g), conv.data_gradient(W, dout, g), dW
        for result, exact in zip(found, (*expected, gradient), strict=True):
            np.testing.assert_allclose(result, exact, rtol=1e-3, atol=1e-3)
        cell[4] = kept


WINOGRAD_SIZES = [
    (1, 1, 4, 4, 1, 3, 3, 1, 1, 1, 1),
    (3, 2, 9, 8, 5, 3, 3, 1, 1, 1, 1),
    (2, 40, 13, 13, 33, 3, 3, 1, 1, 0, 2),  # other padding in rows than in columns
    (5, 17, 30, 7, 19, 3, 3, 1, 1, 1, 1),  # several blocks of tiles
    (4, 20, 27, 20, 18, 5, 5, 1, 1, 2, 1),
    (70, 3, 6, 5, 4, 5, 5, 1, 1, 4, 4),  # padding one less than the filter
    (2, 270, 8, 8, 7, 3, 3, 1, 1, 1, 1),  # more channels than a block of taps
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("sizes", "n"),
    [(s, n) for s in WINOGRAD_SIZES for n in winograd.POINTS[s[5]]],
    ids=lambda s: str(ConvGeometry(*s[1:])) if isinstance(s, tuple) else f"n={s}",
)
def test_winograd_agrees_with_meaning(sizes, n, dtype):
    # 5e-5: half of what the project promises for float32; sums over few channels do not average the rounding
    def finite(function):
        def run(*args):
            assert function(*args, n)

        return run

    assert winograd.applies(ConvGeometry(*sizes[1:]))
    check(*map(finite, (winograd.forward, winograd.data_gradient, winograd.filter_gradient)), sizes, dtype, 5e-5)


@pytest.mark.parametrize("block_bytes", [1, 300_000, 32 << 20])
@pytest.mark.parametrize(
    "sizes", [WINOGRAD_SIZES[3], (2, 40, 13, 13, 33, 3, 3, 1, 1, 0, 2), WINOGRAD_SIZES[6]], ids=str
)
def test_blocks_that_threads_share_give_the_same_cells(sizes, block_bytes, monkeypatch):
    g, X, W, b, dout = case(sizes, np.float32)
    results = []
    for least in (1e12, 0):
        monkeypatch.setattr(winograd, "SHARED_WORK_NS", least)
        monkeypatch.setattr(winograd, "FEW_BLOCKS", 1000)
        monkeypatch.setattr(winograd, "SHARED_BLOCK_BYTES", block_bytes)
        out, dX = np.full_like(dout, np.nan), np.full_like(X, np.nan)
        assert winograd.forward(X, W, b, g, np.float32, out, 6)
        assert winograd.data_gradient(W, dout, g, np.float32, dX, 6)
        results.append((out, dX))
    for alone, shared in zip(*results, strict=True):
        np.testing.assert_array_equal(alone, shared)
    X[1, 5] = np.inf
    assert not winograd.forward(X, W, b, g, np.float32, out, 6)


def check(forward, data_gradient, filter_gradient, sizes, dtype, tolerance):
    g, X, W, b, dout = case(sizes, dtype)
    out, dX, dW = np.full_like(dout, np.nan), np.full_like(X, np.nan), np.full_like(W, np.nan)
    forward(X, W, b, g, dtype, out)
    data_gradient(W, dout, g, dtype, dX)
    filter_gradient(X, dout, g, dtype, dW)
    X, W, b, dout = double(X, W, b, dout)
    assert_close(out, meaning.convolve(X, W, g) + np.repeat(b[:, 0], g.P * g.Q), dtype, tolerance)
    assert_close(dX, meaning.convolve_data_gradient(W, dout, g), dtype, tolerance)
    assert_close(dW, meaning.convolve_filter_gradient(X, dout, g), dtype, tolerance)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e38])
@pytest.mark.parametrize("place", ["images", "filter"])
def test_infinities_and_nan_reach_the_cells_that_see_them(value, place):
    g, X, W, _, dout = case((4, 16, 20, 20, 16, 3, 3, 1, 1, 1, 1), np.float32)
    assert conv.choose(g, np.float32, len(X)).method == "winograd"
    (X if place == "images" else W)[1, 5] = value
    with np.errstate(invalid="ignore", over="ignore"):
        expected = meaning.convolve(X, W, g), meaning.convolve_data_gradient(W, dout, g)
        gradient = meaning.convolve_filter_gradient(X, dout, g)
    for result, exact in zip(run_all(X, W, dout, g), (*expected, gradient), strict=True):
        np.testing.assert_allclose(result, exact, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize(("r", "n"), [(r, n) for r, points in winograd.POINTS.items() for n in points])
def test_weights_that_are_not_finite_show_in_winograds_results(r, n):
    # `conv.data_gradient` does not look at the weights themselves, and the gradient may be zero
    g = ConvGeometry(2, r, r + 1, 3, r, r, ph=r // 2, pw=r // 2)
    dout, dX = np.zeros((1, g.output_cols), np.float32), np.empty((1, g.image_cols), np.float32)
    for tap in range(r * r):
        for value in (np.inf, np.nan):
            W = np.zeros((g.F, g.filter_cols), np.float32)
            assert winograd.data_gradient(W, dout, g, np.float32, dX, n)
            W[1, r * r + tap] = value
            assert not winograd.data_gradient(W, dout, g, np.float32, dX, n)


@pytest.mark.parametrize("sizes", [(9, 5, 8, 8, 40, 1, 1, 1, 1, 0, 0), (9, 5, 9, 8, 80, 1, 1, 2, 3, 1, 0)])
def test_filters_of_one_cell_need_no_look_at_the_weights(sizes):
    g, X, W, _, dout = case(sizes, np.float64)
    W[3, 2] = np.nan
    W[7, 0] = np.inf
    dout[:, : g.P * g.Q] = 0
    with np.errstate(invalid="ignore"):
        expected = meaning.convolve_data_gradient(W, dout, g)
        dX = np.empty_like(X)
        product.data_gradient(W, dout, g, np.float64, dX)
        assert np.isnan(expected).any() and np.isfinite(expected).any()
        np.testing.assert_allclose(dX, expected, rtol=1e-9, atol=1e-9)


def run_all(X, W, dout, g):
    return conv.forward(X, W, g), conv.data_gradient(W, dout, g), conv.filter_gradient(X, dout, g)


LARGER = (24, 3, 20, 20, 16, 5, 5, 1, 1, 2, 2)


def test_views_give_the_same_cells():
    g, X, W, _, dout = case(LARGER, np.float64)
    expected = run_all(X, W, dout, g)

    def sliced(M):
        wide = np.full((2 * M.shape[0], M.shape[1] + 3), np.nan)
        wide[::2, 1:-2] = M
        return wide[::2, 1:-2]

    for view in (sliced, np.asfortranarray, lambda M: M[::-1].copy()[::-1]):
        for result, exact in zip(run_all(view(X), view(W), view(dout), g), expected, strict=True):
            np.testing.assert_array_equal(result, exact)
        np.testing.assert_array_equal(conv.forward(view(X[:2]), view(W), g), conv.forward(X[:2], W, g))


def test_inputs_may_be_read_only():
    g, X, W, _, dout = case(LARGER, np.float64)
    expected = run_all(X, W, dout, g)
    for M in (X, W, dout):
        M.flags.writeable = False
    for result, exact in zip(run_all(X, W, dout, g), expected, strict=True):
        np.testing.assert_array_equal(result, exact)


@pytest.mark.parametrize(
    "sizes", [LARGER, (2, 16, 40, 40, 24, 3, 3, 1, 1, 1, 1), FEW[0], (9, 8, 33, 33, 16, 3, 3, 2, 2, 1, 1)]
)
def test_results_do_not_depend_on_the_number_of_threads(sizes):
    g, X, W, _, dout = case(sizes, np.float32)
    results = []
    for n in (1, 2, 5):
        threads.set_threads(n)
        try:
            with threads.one_blas_thread():  # as in every run
                results.append(run_all(X, W, dout, g))
        finally:
            threads.set_threads(None)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_mixed_precision_computes_in_double():
    g, X, W, _, _ = case(LARGER, np.float64)
    out = conv.forward(X, W.astype(np.float32), g)
    assert_close(out, meaning.convolve(X, W.astype(np.float32).astype(np.float64), g), np.float64)


def test_tiny_work_runs_as_the_meaning_without_numba():
    assert str(conv.choose(ConvGeometry(1, 8, 8, 4, 3, 3), np.float64, 10)) == "meaning"


def test_algorithms_print_as_text():
    assert str(conv.choose(ConvGeometry(256, 13, 13, 384, 3, 3, 1, 1, 1, 1), np.float32, 64)) == "winograd F(5x5, 3x3)"
    assert str(conv.choose(ConvGeometry(3, 224, 224, 96, 11, 11, 4, 4, 2, 2), np.float32, 64)) == "panels"
    assert str(conv.choose(ConvGeometry(512, 7, 7, 2048, 1, 1), np.float32, 1)) == "columns"


def test_exact_never_takes_winograd():
    g, X, W, b, dout = case((9, 64, 28, 28, 64, 3, 3, 1, 1, 1, 1), np.float32)
    assert conv.choose(g, np.float32, len(X)).method == "winograd"
    conv.set_exact(True)
    try:
        assert conv.choose(g, np.float32, len(X)).method == "panels"
        exact = conv.forward(X, W, g, b), conv.data_gradient(W, dout, g), conv.filter_gradient(X, dout, g)
    finally:
        conv.set_exact(False)
    fast = conv.forward(X, W, g, b), conv.data_gradient(W, dout, g), conv.filter_gradient(X, dout, g)
    X, W, b, dout = double(X, W, b, dout)
    right = conv.forward(X, W, g, b), conv.data_gradient(W, dout, g), conv.filter_gradient(X, dout, g)
    for e, f, r in zip(exact, fast, right, strict=True):
        scale = np.abs(r).max()
        assert np.abs(e - r).max() < np.abs(f - r).max() < 1e-4 * scale


@pytest.mark.parametrize("n", winograd.POINTS[3])
def test_winograd_in_float32_is_within_1e_4_of_double_with_many_channels(n):
    g, X, W, _, dout = case((2, 512, 13, 13, 64, 3, 3, 1, 1, 1, 1), np.float32)
    fast = np.empty((2, g.output_cols), np.float32), np.empty(X.shape, np.float32), np.empty(W.shape, np.float32)
    assert winograd.forward(X, W, None, g, np.float32, fast[0], n)
    assert winograd.data_gradient(W, dout, g, np.float32, fast[1], n)
    assert winograd.filter_gradient(X, dout, g, np.float32, fast[2], n)
    X, W, dout = double(X, W, dout)
    right = conv.forward(X, W, g), conv.data_gradient(W, dout, g), conv.filter_gradient(X, dout, g)
    for f, r in zip(fast, right, strict=True):
        assert np.abs(f - r).max() < 1e-4 * np.abs(r).max()


SCRIPT = """
X = rand(rows=4, cols=64*28*28, seed=1)
W = rand(rows=64, cols=64*9, seed=2)
Y = conv2d(X, W, input_shape=[4, 64, 28, 28], filter_shape=[64, 64, 3, 3], stride=[1, 1], padding=[1, 1])
print(ncol(Y) + min(0, sum(Y) ^ 2))
"""


@pytest.mark.parametrize(("options", "name"), [((), "winograd"), (("--conv", "exact"), "columns")])
def test_the_command_line_shows_and_sets_the_algorithm(options, name, capsys):
    try:
        assert cli.main(["-e", SCRIPT, "--explain", "conv", *options]) == 0
    finally:
        conv.set_exact(False)
    printed = capsys.readouterr()
    assert printed.out == "50176.0\n"
    line = next(
        s
        for s in printed.err.splitlines()
        if "4 x 64 x 28 x 28, filters 64 of 3 x 3, stride 1 1, padding 1 1, float64" in s
    )
    assert line.startswith("conv2d ") and f" {name}" in line


def test_agrees_with_torch():
    torch = pytest.importorskip("torch")
    for sizes in (LARGER, (4, 6, 17, 19, 8, 3, 3, 1, 1, 1, 1), (4, 3, 40, 40, 12, 7, 7, 2, 2, 3, 3)):
        g, X, W, b, dout = case(sizes, np.float64)
        x = torch.from_numpy(X).view(-1, g.C, g.H, g.W).requires_grad_()
        w = torch.from_numpy(W).view(g.F, g.C, g.Hf, g.Wf).requires_grad_()
        y = torch.nn.functional.conv2d(x, w, torch.from_numpy(b[:, 0]), (g.sh, g.sw), (g.ph, g.pw))
        y.backward(torch.from_numpy(dout).view(y.shape))
        out, dX, dW = conv.forward(X, W, g, b), conv.data_gradient(W, dout, g), conv.filter_gradient(X, dout, g)
        assert_close(out, y.detach().numpy().reshape(out.shape), np.float64)
        assert_close(dX, x.grad.numpy().reshape(dX.shape), np.float64)
        assert_close(dW, w.grad.numpy().reshape(dW.shape), np.float64)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("sizes", SIZES, ids=lambda s: str(ConvGeometry(*s[1:])))
def test_columns_are_laid_out_alike_with_and_without_numba(sizes, dtype):
    import numba  # noqa: F401  as another kernel may have done

    g, X, _, _, _ = case(sizes, dtype)
    image = X[0].reshape(g.C, g.H, g.W)
    laid_out = np.full((2, g.filter_cols * g.P * g.Q), np.nan, dtype)
    columns._lay_out(image, g, laid_out[0])
    columns._lay_out_views(image, g, laid_out[1].reshape(g.C, g.Hf, g.Wf, g.P, g.Q))
    np.testing.assert_array_equal(*laid_out)
