"""Working memory of the kernels, and what becomes of freed memory."""

import subprocess
import sys

import numpy as np
import pytest

from pydml.backends.cpu.memory import buffer, flat

# Makes and drops a matrix of 80 MB, twice; prints how many pages of the second were new to the process.
CHURN = """
import resource
import sys
import numpy as np
import pydml
if sys.argv[1] == "keep":
    pydml.keep_freed_memory()
pydml.run("s = sum(matrix(1, rows=10, cols=10))")
for i in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    X = np.empty(80_000_000 // 8 + i)
    X[::512] = 1
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    del X
print(faults)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a matter of glibc")
def test_freed_memory_is_used_again():
    new = {}
    for how in ("keep", "leave"):  # a program that embeds pydml has to ask
        result = subprocess.run([sys.executable, "-c", CHURN, how], capture_output=True, text=True, check=True)
        new[how] = int(result.stdout)
    assert new["keep"] < 5 < new["leave"]  # 39 in huge pages, 19532 in small ones where the memory is mapped afresh


def test_a_buffer_is_handed_out_again_under_its_name():
    first = buffer("test of buffers", 1000, np.float64)
    assert buffer("test of buffers", 500, np.float64) is first
    assert buffer("another test of buffers", 500, np.float64) is not first
    larger = buffer("test of buffers", 2000, np.float64)
    assert larger is not first and len(larger) >= 2000


def test_flat_copies_only_what_has_gaps():
    X = np.arange(12.0).reshape(3, 4)
    cells, pitch = flat(X, np.float64)
    assert pitch == 4 and np.shares_memory(cells, X)
    cells, pitch = flat(X[:, 1:3], np.float64)  # rows lie apart, but each in one piece
    assert pitch == 4 and cells[pitch] == X[1, 1] and np.shares_memory(cells, X)
    cells, pitch = flat(X[:, ::2], np.float64)
    assert pitch == 2 and not np.shares_memory(cells, X)
    assert cells.tolist() == X[:, ::2].reshape(-1).tolist()
