"""The debug forms of the networks: what they print, and that they stop at sizes that do not fit and at cells that are not finite."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest

import pydml


def printed(script: str, **inputs: Any) -> str:
    out = io.StringIO()
    pydml.run(script, stdout=out, outputs=[], **inputs)
    return out.getvalue()


def norm_of(array: Any) -> str:
    return f"norm {np.linalg.norm(array):.5g}"


@pytest.mark.parametrize("file", ["alexnet_LARS", "alexnet_LARS_debug", "resnet50_LARS_debug"])
def test_quick_tests_pass(file):
    text = printed(f'source("nn/networks/{file}.dml") as net\nnet::quick_test()\n')
    assert text.rstrip().endswith("quick test passed")


ALEXNET = """
source("nn/networks/alexnet_LARS_debug.dml") as debug
source("nn/networks/alexnet.dml") as alexnet
[model, state, loss] = debug::training_step(X, Y, 1, 63, 64, model, alexnet::init_lars_optim_params(model), 0.1, 0.02, TRUE)
"""


@pytest.mark.parametrize("with_bn", [False, True], ids=["LRN", "BN"])
def test_a_printed_step_of_alexnet_has_a_line_per_layer(with_bn):
    alexnet = pydml.source("nn/networks/alexnet.dml")
    rng = np.random.default_rng(1)
    X, Y = rng.normal(size=(4, 63 * 64)), np.eye(3)[[0, 1, 2, 0]]
    model, _ = alexnet.init_sized(1, 63, 64, 3, 0.05, 8, with_bn, 4)
    text = printed(ALEXNET, X=X, Y=Y, model=model)
    assert f"images                          4 x 4032  {norm_of(X)}" in text
    lines = re.findall(
        r"^(conv\d after ReLU|conv\d before pooling|fc\d after ReLU|fc8, the scores|probabilities) ", text, re.M
    )
    assert len(lines) == 5 + 5 + 2 + 1 + 1
    gradients, _, loss = alexnet.batch_gradients(X, Y, 1, 63, 64, model, 0, 1.0, 0.9)
    assert f"loss {loss:.6f}, rate 0.1" in text
    table = re.findall(r"layer (\d)  weights (\S+)  gradient (\S+)  rate (\S+)", text)
    assert [row[0] for row in table] == list("12345678")
    first = [6 * k for k in range(5)] + [30, 32, 34] if with_bn else range(0, 16, 2)
    for row, i in zip(table, first, strict=True):
        w, g = np.linalg.norm(model[i]), np.linalg.norm(gradients[i])
        assert [float(x) for x in row[1:]] == pytest.approx([w, g, 0.1 * 0.02 * w / (g + 5e-4 * w)], rel=1e-4)


RESNET = """
source("nn/networks/resnet50_LARS_debug.dml") as debug
source("nn/networks/resnet.dml") as resnet
[model, emas] = resnet::init_sized(3, "bottleneck", list(3, 4, 6, 3), 1, 2, 7)
[model, emas, state, loss] = debug::training_step(X, Y, 33, 32, model, emas, resnet::zeros_like(model), 0.1, 0.02, TRUE)
"""


def test_a_printed_step_of_resnet50_has_a_line_per_convolution():
    rng = np.random.default_rng(2)
    text = printed(RESNET, X=rng.normal(size=(4, 33 * 32)), Y=np.eye(3)[[0, 1, 2, 0]])
    assert len(re.findall(r"^stage \d block \d conv\d ", text, re.M)) == 48
    assert len(re.findall(r"^stage \d block \d  ", text, re.M)) == 16
    assert re.search(r"^stage 4 block 3  +4 x 128 ", text, re.M)  # 4 * 16 filters, 2 x 1 places
    assert len(re.findall(r"^  layer \d+  .* rate ", text, re.M)) == 54


def test_what_is_not_finite_is_named():
    alexnet = pydml.source("nn/networks/alexnet.dml")
    debug = pydml.source("nn/networks/alexnet_LARS_debug.dml")
    model, _ = alexnet.init_sized(1, 63, 64, 3, 0.05, 8, True, 4)
    model = [np.array(p) for p in model]
    model[12][0, 0] = np.inf
    with pytest.raises(pydml.DMLError, match=r"conv3 .* cells that are not finite"):
        debug.check_forward(np.ones((2, 63 * 64)), 1, 63, 64, model)
    with pytest.raises(pydml.DMLError, match=r"entry 13 of the model \(weight\) is not finite"):
        debug.check_model(model)


def test_wrong_sizes_are_named():
    inspection = pydml.source("nn/networks/inspection.dml")
    with pytest.raises(pydml.DMLError, match="scores is 2 x 3, not 2 x 4"):
        inspection.inspect("scores", np.ones((2, 3)), 2, 4)
    with pytest.raises(pydml.DMLError, match="gradient 2 is 1 x 2, its parameter 2 x 1"):
        inspection.check_gradients([np.eye(2), np.ones((2, 1))], [np.eye(2), np.ones((1, 2))])
    with pytest.raises(pydml.DMLError, match="gradient 1 is not finite"):
        inspection.check_gradients([np.eye(2)], [np.full((2, 2), np.nan)])
    with pytest.raises(pydml.DMLError, match="there are 1 parameters, but 2 gradients"):
        inspection.check_gradients([np.eye(2)], [np.eye(2), np.eye(2)])
