"""The training programs, from a data set on disk to predictions, the record and its plot."""

import io
import re

import numpy as np
import pytest

import pydml
from pydml.plot.commands import plot_main
from pydml.plot.record import read_record
from pydml.script import Script

K = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """48 images of three classes that differ in a pattern, and 12 for validation."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(7)
    patterns = rng.normal(size=(K, 3 * 64 * 64))

    def images(count):
        y = np.arange(count) % K
        return patterns[y] + 0.3 * rng.normal(size=(count, 3 * 64 * 64)), y[:, None] + 1.0

    X, y = images(48)
    X_val, y_val = images(12)
    pydml.run(
        """
        write(X, $f + "/train", format="binary")
        write(y, $f + "/train.labels", format="csv")
        write(X_val, $f + "/val", format="binary")
        write(y_val, $f + "/val.labels", format="csv")
        write(matrix("3 64 64 3", rows=1, cols=4), $f + "/shape.csv", format="csv")
        write(matrix("0.5 0.5 0.5 0.2 0.2 0.2", rows=2, cols=3), $f + "/normalization.csv", format="csv")
        """,
        X=X,
        y=y,
        X_val=X_val,
        y_val=y_val,
        nvargs={"f": str(folder)},
    )
    return folder


def run(name, **arguments):
    """The output of a program of the library."""
    out = io.StringIO()
    script = Script(f"nn/examples/{name}.dml", nvargs=arguments, precision="single", stdout=out)
    script.run(outputs=[])
    return out.getvalue()


@pytest.mark.parametrize(
    "program, more",
    [
        ("train_alexnet_bn", {"width": 0.1, "units": 32, "optimizer": "adam", "base_lr": 0.002, "keep": 1}),
        ("train_resnet", {"depth": 18, "width": 0.125, "optimizer": "adam", "base_lr": 0.002, "schedule": "poly"}),
    ],
)
def test_train_predict_and_look(data, tmp_path, capsys, program, more):
    arguments = {
        "data": str(data),
        "epochs": 4,
        "batch_size": 8,
        "warmup_epochs": 0.5,
        "augmentation": "none",
        "checkpoint": str(tmp_path / "checkpoint"),
        "record": str(tmp_path / "record"),
        "model": str(tmp_path / "model"),
        **more,
    }
    out = run(program, **arguments)
    assert len(re.findall(r"^ +\d .* s left$", out, re.MULTILINE)) == 4
    top1 = float(re.search(r"top-1 accuracy: ([\d.]+) %", out)[1])
    majority = float(re.search(r"most frequent class: ([\d.]+) %", out)[1])
    assert majority == pytest.approx(33.33, abs=0.01)
    assert top1 > 60, "three patterns that differ so much are learned"

    record = read_record(tmp_path / "record")
    assert record.epochs["epoch"] == [1, 2, 3, 4]
    assert record.epochs["loss"][-1] < record.epochs["loss"][0]
    assert record.epochs["top1"][-1] == pytest.approx(top1 / 100, abs=1e-4)
    assert record.curve["step"] == list(range(1, 25))
    assert record.info["program"] == f"{program}.dml"
    assert plot_main([str(tmp_path / "record"), "--terminal"]) == 0
    assert "validation accuracy" in capsys.readouterr().out

    out = run("predict_images", data=str(data), model=str(tmp_path / "model"), out=str(tmp_path / "classes.csv"))
    assert f"12 images, top-1 accuracy {top1:.2f} %" in out
    classes = np.loadtxt(tmp_path / "classes.csv", delimiter=",")
    assert classes.shape == (12, 3)
    assert 100 * np.mean(classes[:, 0] == classes[:, 2]) == pytest.approx(top1, abs=0.01)

    # the training has ended: the same command has nothing left to do
    out = run(program, **arguments)
    assert "going on after step 24 of 24" in out
    assert float(re.search(r"top-1 accuracy: ([\d.]+) %", out)[1]) == top1


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"optimizer": "sgd"}, "the optimizer is momentum, lars, lamb or adam, not sgd"),
        ({"augmentation": "blur"}, "the augmentation is none, crop, resized or colour, not blur"),
        ({"schedule": "cosine"}, "the schedule is poly or steps, not cosine"),
        ({"depth": 19}, "not resnet19"),
    ],
)
def test_wrong_arguments_are_named(data, wrong, message):
    arguments = {"depth": 18, "width": 0.03, "epochs": 1, "batch_size": 8, **wrong}
    with pytest.raises(pydml.DMLError, match=message):
        run("train_resnet", data=str(data), **arguments)


def test_a_missing_model_is_an_error(data, tmp_path):
    with pytest.raises(pydml.DMLError, match="there is no model in"):
        run("predict_images", data=str(data), model=str(tmp_path / "none"))
