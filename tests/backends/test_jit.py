"""Compiled code is kept between processes, in a private folder, and works for every size of vectors."""

import os
import stat
import subprocess
import sys
import time

import numpy as np
import pytest
from numba import types

from pydml.backends.cpu import jit, product, winograd
from pydml.builtins import conv as meaning
from pydml.builtins.conv import ConvGeometry

CODE = """
import numpy as np
from pydml.backends.cpu import fused_machine
from pydml.backends.cpu.compiled import convolution
from pydml.backends.text import compiled as text
kernel = KERNEL
print(sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values()))
"""


KERNELS = ["convolution.gather_sums(np.float32, 8, 6)", "fused_machine.machine_code(np.float32)", "text.parse_libsvm()"]


def run(folder, kernel=KERNELS[0]):
    environment = {**os.environ, "PYDML_CACHE_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", CODE.replace("KERNEL", kernel)],
        env=environment,
        check=True,
        timeout=120,
        stdout=subprocess.PIPE,
    )
    return done.stdout.split()


@pytest.mark.parametrize("kernel", KERNELS)
def test_second_process_loads_what_the_first_compiled(tmp_path, kernel):
    folder = tmp_path / "cache"
    old, recent = folder / "compiled-of-old", folder / "compiled-of-yesterday"
    for other, days in ((old, 40), (recent, 1)):
        other.mkdir(parents=True)
        os.utime(other, (time.time() - days * 86400,) * 2)
    folder.chmod(0o700)
    assert run(folder, kernel) == [b"0", b"1"]
    assert not old.exists()
    assert recent.exists()
    (compiled,) = set(folder.glob("compiled-*")) - {recent}
    assert stat.S_IMODE(compiled.stat().st_mode) == 0o700
    assert run(folder, kernel) == [b"1", b"0"]


TRANSFORM = """
import numpy as np
from pydml.backends.cpu.compiled import winograd
gather = winograd.gather_results(np.float32, 8, 4, 2)
M, out, Z = np.ones(16 * 16, np.float32), np.zeros(4, np.float32), np.zeros(100, np.float32)
gather(M, 0, 0, 0, 1, 0, 1, 1, 1, np.zeros(1, np.float32), out, 4, 2, 2, Z, np.zeros(16, np.int64), np.zeros(8, np.float32))
print(sum(winograd._inverse(8, 4, 4, 2).stats.cache_hits.values()), *out)
"""


def test_a_kernel_calls_another_that_comes_from_disk(tmp_path):
    tmp_path.chmod(0o700)
    environment = {**os.environ, "PYDML_CACHE_DIR": str(tmp_path)}
    first, second = (
        subprocess.run(
            [sys.executable, "-c", TRANSFORM], env=environment, check=True, timeout=120, stdout=subprocess.PIPE
        ).stdout.split()
        for _ in range(2)
    )
    # A' is (1, 1, 1, 0) and (0, 1, -1, 1): the sums of the entries of its rows, multiplied
    assert first == [b"0", b"9.0", b"3.0", b"3.0", b"1.0"]
    assert second == [b"1", *first[1:]]


def test_a_kernel_may_not_carry_functions_from_its_factory():
    def factory():
        helper = len
        return types.intp(types.intp), lambda n: helper((n,))

    with pytest.raises(TypeError, match="must find helper in its module"):
        jit.compiled(factory)()


def test_an_unsafe_folder_is_not_used(tmp_path):
    tmp_path.chmod(0o777)
    assert run(tmp_path) == [b"0", b"1"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", [16, 64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_are_right_for_other_vectors(size, dtype, monkeypatch):
    """Of 16 bytes (no AVX) and of 64 (AVX-512): the compiler makes do with what this processor has."""
    monkeypatch.setattr(jit, "vector_bytes", lambda: size)
    g = ConvGeometry(5, 12, 11, 13, 3, 3, 1, 1, 1, 1)
    rng = np.random.default_rng(3)
    X, W, dout = (
        rng.standard_normal(shape).astype(dtype)
        for shape in ((3, g.image_cols), (g.F, g.filter_cols), (3, g.output_cols))
    )
    expected = (
        meaning.convolve(X, W, g),
        meaning.convolve_data_gradient(W, dout, g),
        meaning.convolve_filter_gradient(X, dout, g),
    )
    for module, extra in ((product, ()), (winograd, (6,))):
        out, dX, dW = np.empty_like(dout), np.empty_like(X), np.empty_like(W)
        module.forward(X, W, None, g, dtype, out, *extra)
        module.data_gradient(W, dout, g, dtype, dX, *extra)
        module.filter_gradient(X, dout, g, dtype, dW, *extra)
        for result, exact in zip((out, dX, dW), expected, strict=True):
            tolerance = 1e-5 if dtype == np.float32 else 1e-12
            assert np.abs(result - exact).max() <= tolerance * np.abs(exact).max()


SYMBOL = """
import sys
from pydml.backends.cpu.compiled import winograd
(result,) = winograd._forward(8, 4, int(sys.argv[1]), int(sys.argv[1])).overloads.values()
print(result.fndesc.mangled_name)
"""


def test_variants_compiled_in_two_processes_have_symbols_of_their_own(tmp_path):
    """Each is the first that its process compiles; a third process may load both."""
    tmp_path.chmod(0o700)
    environment = {**os.environ, "PYDML_CACHE_DIR": str(tmp_path)}
    first, second = (
        subprocess.run(
            [sys.executable, "-c", SYMBOL, size], env=environment, check=True, timeout=120, stdout=subprocess.PIPE
        ).stdout
        for size in ("4", "6")
    )
    assert first != second


def test_kernels_do_not_wait_for_scipy():
    """And code of Numba's that uses BLAS still finds it."""
    code = (
        "import sys, numpy as np; from pydml.backends.cpu import jit; jit.kernels('loop_machine').machine(); "
        "print('scipy.linalg' in sys.modules); import numba; "
        "print(numba.njit(lambda A: np.dot(A, A))(np.full((2, 2), 2.0)).sum())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=120, stdout=subprocess.PIPE, text=True)
    assert done.stdout.split() == ["False", "32.0"]
