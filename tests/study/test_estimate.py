"""What a dry run says of a training step agrees with what can be worked out by hand, and with the memory of a real run."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pydml
from pydml.estimate import estimate, flops_of, main
from pydml.script import Script

ROOT = Path(__file__).parents[2]

# two affine layers with ReLU between them, plain gradient descent
MLP = """
N = 4000
D = 300
H = 400
K = 200
X = rand(rows=N, cols=D, seed=1)
Y = rand(rows=N, cols=K, seed=2)
W1 = rand(rows=D, cols=H, seed=3)
W2 = rand(rows=H, cols=K, seed=4)
for (i in 1:(N %/% $batch_size)) {
  X_batch = X[(i-1)*$batch_size+1:i*$batch_size, ]
  Y_batch = Y[(i-1)*$batch_size+1:i*$batch_size, ]
  Z = X_batch %*% W1
  R = max(Z, 0)
  dS = R %*% W2 - Y_batch
  dW2 = t(R) %*% dS
  dR = (dS %*% t(W2)) * (R > 0)
  dW1 = t(X_batch) %*% dR
  W1 = W1 - 0.01 * dW1
  W2 = W2 - 0.01 * dW2
}
print(sum(W1))
"""


def test_an_affine_network_by_hand():
    result = estimate(Script(MLP), "batch_size")
    D, H, K = 300, 400, 200
    for batch in (8, 100, 1000):
        # forward and both gradients, but that of the images: two, three products
        assert result.flops(batch) == 2 * batch * (D * H * 2 + H * K * 3)
    data = 4000 * (D + K) * 8
    weights = (D * H + H * K) * 8
    assert result.kept() == pytest.approx(data + weights, rel=0.01)
    # activations that are alive together: R, dS and dR or Z; the batch itself is a view of the data
    assert 8 * 1000 * (H + K) <= result.activations(1000) <= 8 * 1000 * (3 * H + 2 * K)


def test_weights_are_drawn_before_the_first_step_even_after_other_products():
    script = MLP.replace("W1 = rand", "M = t(X) %*% X\nW1 = rand").replace(
        "print(", "S = rand(rows=D, cols=D)\nprint(sum(M) + sum(S) + "
    )
    result = estimate(Script(script), "batch_size")
    assert result.first.weights == 4000 * (300 + 200) + 300 * 400 + 400 * 200


def test_nothing_is_computed_and_nothing_printed(capsys):
    estimate(Script(MLP), "batch_size")
    assert capsys.readouterr().out == ""


def test_flops_of_convolutions():
    X, W = np.zeros((2, 3 * 8 * 8)), np.zeros((5, 3 * 3 * 3))
    out = np.zeros((2, 5 * 8 * 8))
    expected = 2 * 2 * 5 * 64 * 27
    assert flops_of("conv2d", (X, W), (out,)) == expected
    assert flops_of("conv2d_backward_filter", (X, out), (W,)) == expected
    assert flops_of("conv2d_backward_data", (W, out), (X,)) == expected
    assert flops_of("%*%", (np.zeros((2, 3)), np.zeros((3, 4))), (np.zeros((2, 4)),)) == 48
    assert flops_of("relu", (X,), (X,)) == 0


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A data set of 60 small images in files as `train_loop::load` reads them."""
    folder = tmp_path_factory.mktemp("photos")
    pydml.run(
        """
        write(rand(rows=60, cols=3*64*64, seed=1), $f + "/train", format="binary")
        write(sample(5, 60, TRUE, 1), $f + "/train.labels", format="csv")
        write(rand(rows=10, cols=3*64*64, seed=2), $f + "/val", format="binary")
        write(sample(5, 10, TRUE, 2), $f + "/val.labels", format="csv")
        write(matrix("3 64 64 5", rows=1, cols=4), $f + "/shape.csv", format="csv")
        write(matrix("0.5 0.5 0.5 0.2 0.2 0.2", rows=2, cols=3), $f + "/normalization.csv", format="csv")
        """,
        nvargs={"f": str(folder)},
    )
    return folder


@pytest.fixture(scope="module")
def resnet(photos):
    script = Script("nn/examples/train_resnet.dml", nvargs={"data": str(photos), "depth": 18}, precision="single")
    return estimate(script, "batch_size")


def test_resnet_18(resnet):
    # 11,166,912 weights of convolutions and 512 for each of 5 classes
    assert resnet.first.weights == 11_166_912 + 5 * 512
    # a forward pass for 64 x 64 images is 0.149e9 multiply-adds; with both gradients three times that, less that of the images
    assert resnet.flops(1) == pytest.approx(2 * 3 * 0.149e9, rel=0.05)
    # weights and velocities, 4 bytes each
    assert resnet.kept() == pytest.approx(2 * 4 * 11.18e6 + 70 * 3 * 64 * 64 * 4, rel=0.1)
    assert resnet.peak(1024) == pytest.approx(resnet.peak(512) + 512 * resnet.activations(1), rel=0.05)


def test_the_largest_micro_batch_that_fits(resnet):
    memory = resnet.peak(100)
    assert resnet.fitting(memory, 1 << 20) == 64
    assert resnet.fitting(resnet.kept() / 2, 1 << 20) == 0


def test_the_command(photos, capsys):
    arguments = [str(ROOT / "scripts/nn/examples/train_alexnet_bn.dml"), "--precision", "single", "--mem", "2g"]
    assert main([*arguments, "-args", f"data={photos}", "width=0.25", "units=64"]) == 0
    out = capsys.readouterr().out
    assert "images/s" in out and "in 2g: micro_batch=" in out
    assert sum(line.split()[0].isdigit() for line in out.splitlines() if line) == 13


def test_a_script_without_a_batch_size_is_refused(capsys, tmp_path):
    script = tmp_path / "a.dml"
    script.write_text("print(1)\n")
    assert main([str(script)]) == 1
    assert "does not read $batch_size" in capsys.readouterr().err


def test_a_wrong_size_of_memory_is_wrong_usage(tmp_path):
    with pytest.raises(SystemExit) as error:
        main([str(tmp_path / "a.dml"), "--mem", "much"])
    assert error.value.code == 2


MEASURE = r"""
import re, sys
import pydml
script, batch = sys.argv[1], int(sys.argv[2])
text = open(script).read().replace("$batch_size", str(batch))
pydml.run(text, outputs=["W1"], threads=1)
# not ru_maxrss: it begins with what the process that starts this one holds
print(int(re.search(r"VmHWM:\s*(\d+)", open("/proc/self/status").read())[1]) * 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_memory_of_a_real_run_is_close(tmp_path):
    script = tmp_path / "mlp.dml"
    script.write_text(MLP.replace("N = 4000", "N = 40000"))

    def measured(batch):
        done = subprocess.run([sys.executable, "-c", MEASURE, str(script), str(batch)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return int(done.stdout.split()[-1])

    result = estimate(Script(script.read_text()), "batch_size")
    growth = measured(40000) - measured(400)
    assert growth == pytest.approx(result.peak(40000) - result.peak(400), rel=0.3)
