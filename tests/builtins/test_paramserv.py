"""paramserv: the models of SystemDS 3.4.0, the same by hand-written loops, checkpoints, errors.

The goldens were printed by SystemDS for the same calls; where it has no answer (it loses matrices with freq="EPOCH" and several batches,
and waits forever for workers without rows), the loops that its semantics describe are written out in DML.
"""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest

import pydml
from pydml.backends.cpu.threads import limit
from pydml.config import bundled_scripts
from pydml.diagnostics import DMLError, SourceFile
from pydml.execution.context import Context
from pydml.execution.executable import compile_program

FUNCTIONS = """
gradients = function(list[unknown] model, list[unknown] hyperparams, matrix[double] features, matrix[double] labels)
    return (list[unknown] gradients) {
  S = features %*% as.matrix(model[1]) + as.matrix(model[2])
  E = exp(S - rowMaxs(S))
  D = (E / rowSums(E) - labels) / nrow(features)
  gradients = list(t(features) %*% D, colSums(D))
}
aggregation = function(list[unknown] model, list[unknown] hyperparams, list[unknown] gradients)
    return (list[unknown] result) {
  lr = as.double(as.scalar(hyperparams["lr"]))
  result = list(as.matrix(model[1]) - lr * as.matrix(gradients[1]), as.matrix(model[2]) - lr * as.matrix(gradients[2]))
}
validation = function(list[unknown] model, list[unknown] hyperparams, matrix[double] val_features, matrix[double] val_labels)
    return (double loss, double accuracy) {
  S = val_features %*% as.matrix(model[1]) + as.matrix(model[2])
  loss = -mean(rowSums(val_labels * (S - log(rowSums(exp(S))))))
  accuracy = mean(rowIndexMax(S) == rowIndexMax(val_labels))
}
"""
DATA = """
X = matrix(seq(1, 92), 23, 4) %% 7 / 7
Y = table(seq(1, 23), (seq(1, 23) %% 3) + 1, 23, 3)
m = list(matrix(seq(1, 12) / 10, 4, 3), matrix(0, 1, 3))
h = list(lr=0.3)
"""
NAMES = 'model=m, features=X, labels=Y, upd="gradients", agg="aggregation", hyperparams=h'

# the first row of W after three epochs
SYSTEMDS = {
    'batchsize=3, k=1, freq="BATCH", scheme="DISJOINT_CONTIGUOUS"': "0.09871013446832 0.12376709944936 0.37752276608232",
    'batchsize=3, k=1, freq="BATCH", scheme="DISJOINT_ROUND_ROBIN"': "0.09871013446832 0.12376709944936 0.37752276608232",
    'batchsize=23, k=1, freq="EPOCH"': "0.10934041233067 0.19475091772267 0.29590866994666",
    'batchsize=3, k=1, freq="EPOCH", modelAvg=TRUE': "0.09871013446832 0.12376709944936 0.37752276608232",
    'batchsize=3, k=2, freq="BATCH", scheme="DISJOINT_CONTIGUOUS"': "0.09959563813832 0.12645299725535 0.37395136460633",
    'batchsize=3, k=2, freq="BATCH", scheme="DISJOINT_ROUND_ROBIN"': "0.13152668717912 0.14911550298264 0.31935780983824",
    'batchsize=23, k=2, freq="EPOCH"': "0.11746194677376 0.18677348775154 0.29576456547470",
    'batchsize=3, k=2, freq="EPOCH", modelAvg=TRUE': "0.10673698283412 0.16350685300787 0.32975616415801",
    'batchsize=3, k=3, freq="BATCH", scheme="DISJOINT_CONTIGUOUS"': "0.00002120779225 0.17030139911808 0.42967739308967",
    'batchsize=3, k=3, freq="BATCH", scheme="DISJOINT_ROUND_ROBIN"': "0.20927969570161 0.08888065515756 0.30183964914083",
    'batchsize=23, k=3, freq="EPOCH"': "0.12796159249747 0.17441487212177 0.29762353538076",
    'batchsize=3, k=3, freq="EPOCH", modelAvg=TRUE': "0.06650911105769 0.18210458739325 0.35138630154906",
    'batchsize=3, k=4, freq="BATCH", scheme="DISJOINT_CONTIGUOUS"': "0.08263034818547 0.12264103638420 0.39472861543033",
    'batchsize=3, k=4, freq="BATCH", scheme="DISJOINT_ROUND_ROBIN"': "0.10763364831679 0.19377187515277 0.29859447653044",
    'batchsize=23, k=4, freq="EPOCH"': "0.12454922920553 0.16801017970167 0.30744059109280",
    'batchsize=3, k=4, freq="EPOCH", modelAvg=TRUE': "0.10531536997652 0.18269251366490 0.31199211635858",
    'batchsize=3, k=3, freq="BATCH", modelAvg=TRUE': "0.06805664638137 0.18290364725521 0.34903970636342",
}


def run(script: str, seed: int = 1, warnings: list[str] | None = None) -> dict:
    program = compile_program(SourceFile("<paramserv>", FUNCTIONS + DATA + script + "\n"))
    context = Context(out=io.StringIO(), seed=seed, warn=(warnings if warnings is not None else []).append)
    return program.run(context)


def model(options: str, seed: int = 1, warnings: list[str] | None = None) -> list[np.ndarray]:
    values = run(f"r = paramserv({NAMES}, {options})", seed, warnings)
    return list(values["r"].items)


def error(script: str) -> DMLError:
    with pytest.raises(DMLError) as caught:
        run(script)
    return caught.value


@pytest.mark.parametrize("threads", [1, 3])
def test_models_of_systemds(threads):
    calls = [f'r{i} = paramserv({NAMES}, epochs=3, utype="BSP", {o})' for i, o in enumerate(SYSTEMDS)]
    with limit(threads):
        values = run("\n".join(calls))
    for i, (options, row) in enumerate(SYSTEMDS.items()):
        cells = values[f"r{i}"].items[0][0]
        np.testing.assert_allclose(cells, [float(v) for v in row.split()], rtol=0, atol=1e-13, err_msg=options)


@pytest.mark.parametrize(("freq", "batches"), [("EPOCH", 99), ("NBATCHES", 2)])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_pushing_the_sum_of_several_batches(freq, batches, k):
    """The gradients of the batches between two pushes are added; a worker goes on with a model of its own in between."""
    expected = run(f"""
k = {k}; push = {batches}; size = ceil(23 / k)
for (epoch in 1:3) {{
  rounds = as.integer(ceil(ceil(size / 3) / push))
  for (round in 1:rounds) {{
    G = matrix(0, 4, 3); g = matrix(0, 1, 3)
    for (w in 1:k) {{
      first = (w - 1) * size; last = min(23, w * size); mine = m
      for (batch in ((round - 1) * push + 1):min(round * push, ceil(size / 3))) {{
        low = first + (batch - 1) * 3 + 1; high = min(low + 2, last)
        d = gradients(mine, h, X[low:high,], Y[low:high,])
        G = G + as.matrix(d[1]); g = g + as.matrix(d[2])
        mine = aggregation(mine, h, d)
      }}
    }}
    m = aggregation(m, h, list(G, g))
  }}
}}
W = as.matrix(m[1])""")["W"]
    W, _ = model(f'epochs=3, batchsize=3, k={k}, freq="{freq}", nbatches={batches}, utype="BSP"')
    np.testing.assert_allclose(W, expected, rtol=1e-12)


def test_workers_with_less_batches_are_not_waited_for():
    W, _ = model('epochs=2, batchsize=1, k=5, freq="BATCH", utype="BSP"')
    again, _ = model('epochs=2, batchsize=1, k=5, freq="BATCH", utype="BSP"')
    assert np.isfinite(W).all()
    assert np.array_equal(W, again)
    assert np.isfinite(model('epochs=1, batchsize=2, k=40, freq="BATCH", utype="BSP"')[0]).all()


@pytest.mark.parametrize("utype", ["ASP", "SBP"])
@pytest.mark.parametrize("threads", [1, 3])
def test_asynchronous_training_learns(utype, threads):
    """Whichever worker is ahead: the rows of each tell the largest of three columns."""
    with limit(threads):
        values = run(f"""
X = rand(rows=120, cols=4, seed=1)
Y = table(seq(1, 120), rowIndexMax(X[,1:3]), 120, 3)
m = list(matrix(0, 4, 3), matrix(0, 1, 3))
[before, chance] = validation(m, h, X, Y)
r = paramserv({NAMES}, epochs=40, batchsize=4, k=3, freq="BATCH", utype="{utype}")
[after, accuracy] = validation(r, h, X, Y)""")
    assert values["after"] < 0.7 * values["before"]
    assert values["accuracy"] > 0.75


def test_one_asynchronous_worker_is_deterministic():
    W, _ = model('epochs=3, batchsize=3, k=1, freq="BATCH"')
    np.testing.assert_allclose(W[0, 0], 0.09871013446832, atol=1e-13)
    same = model('epochs=3, batchsize=3, k=1, freq="BATCH", utype="SBP", num_backup_workers=3')[0]
    assert np.array_equal(W, same)


@pytest.mark.parametrize("scheme", ["DISJOINT_RANDOM", "OVERLAP_RESHUFFLE"])
def test_random_orders_follow_the_seed(scheme):
    options = f'epochs=2, batchsize=5, k=2, utype="BSP", scheme="{scheme}"'
    first = model(options + ", seed=7")[0]
    assert np.array_equal(first, model(options + ", seed=7", seed=2)[0])
    assert not np.array_equal(first, model(options + ", seed=8")[0])
    assert np.array_equal(model(options)[0], model(options)[0])
    assert not np.array_equal(model(options)[0], model(options, seed=2)[0])


def test_overlapping_rows_are_all_rows_of_each_worker():
    """With one batch per epoch the order does not matter: each of k workers gives the gradient of all rows."""
    both, _ = model('epochs=1, batchsize=23, k=2, utype="BSP", scheme="OVERLAP_RESHUFFLE"')
    one, _ = model('epochs=1, batchsize=23, k=1, utype="BSP"')
    start = np.arange(1, 13).reshape(4, 3) / 10
    np.testing.assert_allclose(both - start, 2 * (one - start), rtol=1e-10)


def test_validation_is_reported_after_each_epoch():
    lines: list[str] = []
    model('epochs=2, batchsize=5, k=2, utype="BSP", val="validation", val_features=X, val_labels=Y', warnings=lines)
    assert [line.split(": validation")[0] for line in lines] == ["paramserv: epoch 1", "paramserv: epoch 2"]
    loss = float(lines[1].split("loss ")[1].split(",")[0])
    assert loss < float(lines[0].split("loss ")[1].split(",")[0])
    assert "accuracy 0." in lines[0]


def test_names_of_the_model_are_kept():
    values = run(
        """
g = function(list[unknown] model, matrix[double] features, matrix[double] labels) return (list[unknown] gradients) {
  gradients = list(a=sum(features), b=list(c=matrix(1, 1, 2))) }
s = function(list[unknown] model, list[unknown] gradients) return (list[unknown] result) {
  result = list(a=as.scalar(model["a"]) + as.scalar(gradients["a"]), b=as.list(gradients["b"])) }
r = paramserv(model=list(a=1.0, b=list(c=matrix(0, 1, 2))), features=X, labels=Y, upd="g", agg="s", epochs=2, k=2, utype="BSP")"""
    )
    assert values["r"].names == ("a", "b")
    assert values["r"].items[0] == pytest.approx(1 + 2 * (np.arange(1, 93) % 7 / 7).sum())
    assert values["r"].items[1].items[0].tolist() == [[2.0, 2.0]]


def test_functions_of_other_files(tmp_path, monkeypatch):
    (tmp_path / "net.dml").write_text(FUNCTIONS)
    monkeypatch.chdir(tmp_path)
    expected, _ = model('epochs=1, batchsize=5, k=2, utype="BSP"')
    for prefix in ("./net.dml", "ns", str(tmp_path / "net.dml")):
        script = f"""source("./net.dml") as ns
{DATA}
r = paramserv(model=m, features=X, labels=Y, upd="{prefix}::gradients", agg="{prefix}::aggregation", hyperparams=h,
              epochs=1, batchsize=5, k=2, utype="BSP")
"""
        program = compile_program(SourceFile("main.dml", script))
        assert np.array_equal(program.run(Context())["r"].items[0], expected)


# ---- checkpoints


@pytest.mark.parametrize("place", ["argument", "hyperparams"])
@pytest.mark.parametrize("scheme", ["DISJOINT_CONTIGUOUS", "DISJOINT_RANDOM"])
def test_training_goes_on_from_a_checkpoint(tmp_path, place, scheme):
    folder = tmp_path / "run" / "a"
    options = f'batchsize=4, k=2, freq="BATCH", utype="BSP", scheme="{scheme}", checkpointing="EPOCH"'
    if place == "argument":
        options += f', checkpoint_dir="{folder}"'
        prepare = ""
    else:
        prepare = f'h = list(lr=0.3, checkpoint_dir="{folder}")\n'

    def training(epochs: int, seed: int) -> tuple[np.ndarray, list[str]]:
        lines: list[str] = []
        values = run(f"{prepare}r = paramserv({NAMES}, epochs={epochs}, {options})", seed, lines)
        return values["r"].items[0], lines

    first, lines = training(2, seed=1)
    assert lines == []
    assert (folder / "checkpoint").is_dir()
    whole, _ = model(options.split(", checkpointing")[0] + ", epochs=5")
    resumed, lines = training(5, seed=2)  # the orders of the rows are those of the checkpoint
    assert ["going on after epoch 2" in line for line in lines] == [True]
    assert not np.array_equal(first, resumed)
    assert np.array_equal(resumed, whole)
    done, lines = training(5, seed=1)
    assert np.array_equal(done, whole)
    assert "after epoch 5" in lines[0]


def test_interrupted_training(tmp_path):
    """An error in the third epoch leaves the model of the second."""
    options = f'batchsize=23, k=1, freq="BATCH", utype="BSP", checkpointing="EPOCH", checkpoint_dir="{tmp_path}"'
    script = f"""
fragile = function(list[unknown] model, list[unknown] hyperparams, list[unknown] gradients) return (list[unknown] result) {{
  result = aggregation(model, hyperparams, gradients)
  b = as.matrix(result[2])
  if (as.scalar(b[1, 1]) > as.scalar(hyperparams["limit"])) {{ stop("power cut") }}
}}
h = list(lr=0.3, limit=LIMIT)
r = paramserv({NAMES.replace('"aggregation"', '"fragile"')}, epochs=4, {options})"""
    states = [model(f'batchsize=23, k=1, freq="BATCH", utype="BSP", epochs={n}') for n in (2, 3, 4)]
    limits = [state[1][0, 0] for state in states]
    assert limits[0] < limits[1] < limits[2]
    caught = error(script.replace("LIMIT", repr(float(limits[0] + limits[1]) / 2)))
    assert "power cut" in caught.message
    lines: list[str] = []
    resumed = run(script.replace("LIMIT", "1000"), warnings=lines)["r"].items[0]
    assert "going on after epoch 2" in lines[0]
    assert np.array_equal(resumed, states[2][0])


def test_a_checkpoint_every_ten_epochs(tmp_path):
    options = f'batchsize=23, k=1, utype="BSP", checkpointing="EPOCH10", checkpoint_dir="{tmp_path}"'
    with contextlib.suppress(DMLError):
        run(f'r = paramserv({NAMES}, epochs=12, {options})\nstop("x")')
    lines: list[str] = []
    model(f"epochs=14, {options}", warnings=lines)
    assert "after epoch 12" in lines[0]  # the last epoch of a call counts too
    assert np.array_equal(model(f"epochs=14, {options}")[0], model('epochs=14, batchsize=23, k=1, utype="BSP"')[0])


def test_checkpoints_of_another_training_are_refused(tmp_path):
    options = f'epochs=1, utype="BSP", checkpointing="EPOCH", checkpoint_dir="{tmp_path}"'
    model(f"k=1, seed=3, {options}")
    caught = error(f"r = paramserv({NAMES}, k=2, seed=3, {options})")
    assert caught.id == "value"
    assert "belongs to another training" in caught.message
    assert "another seed" in error(f"r = paramserv({NAMES}, k=1, seed=4, {options})").message
    other = NAMES.replace("model=m", "model=list(matrix(0, 4, 3), matrix(0, 1, 4))")
    assert "another size" in error(f"r = paramserv({other}, k=1, seed=3, {options})").message


def test_checkpoints_without_a_folder_are_not_made():
    lines: list[str] = []
    model('epochs=1, k=1, checkpointing="EPOCH"', warnings=lines)
    assert lines == ['paramserv: checkpointing="EPOCH" without checkpoint_dir="FOLDER": nothing is saved']


# ---- errors


@pytest.mark.parametrize(
    ("options", "id", "message"),
    [
        ('mode="REMOTE_SPARK"', "not-supported", "pydml runs on one machine"),
        ('mode="FEDERATED"', "not-supported", "federated sites"),
        ('mode="CLOUD"', "value", "there is no mode"),
        ('utype="SSP"', "not-supported", "SystemDS 3.4.0 only declares"),
        ('freq="HOURLY"', "value", "known are EPOCH, BATCH, NBATCHES"),
        ('scheme="SHUFFLE"', "not-supported", "federated"),
        ("weighting=TRUE", "not-supported", "federated"),
        ('runtime_balancing="BASELINE"', "not-supported", "federated"),
        ("k=0", "value", "k must be at least 1"),
        ("batchsize=0", "value", "batchsize must be at least 1"),
        ('modelAvg=TRUE, utype="ASP"', "value", "modelAvg"),
        ('val="validation"', "call", "together or not at all"),
        ("num_backup=1", "call", "there is no parameter num_backup"),
    ],
)
def test_refused_arguments(options, id, message):
    caught = error(f"r = paramserv({NAMES}, epochs=1, {options})")
    assert caught.id == id
    assert message in caught.message + str(caught.diagnostics[0].help)
    unknown = error(f'v = "x"\nif (sum(X) > 0) v = "HOURLY"\nr = paramserv({NAMES}, epochs=1, freq=v)')
    assert "there is no freq" in unknown.message


@pytest.mark.parametrize("k", [1, 3])
def test_errors_of_a_worker_have_their_place(k):
    broken = "bad = function(list[unknown] model, matrix[double] features, matrix[double] labels) return (list[unknown] gradients) {\n"
    broken += "  Z = features %*% features[1,]\n  gradients = list(Z)\n}\n"
    caught = error(broken + f"r = paramserv({NAMES.replace('gradients', 'bad')}, epochs=1, k={k}, batchsize=3)")
    assert caught.id == "shape-mismatch"
    assert caught.line == (FUNCTIONS + DATA).count("\n") + 2


def test_what_the_functions_return_is_checked():
    wrong = "f = function(list[unknown] model, matrix[double] features, matrix[double] labels) return (double gradients) { gradients = 1 }\n"
    caught = error(wrong + f"r = paramserv({NAMES.replace('gradients', 'f')}, epochs=1, k=1)")
    assert "upd: f must return a list, got a double" in caught.message


def test_the_example_learns_and_goes_on(tmp_path):
    def run_example(epochs: int) -> float:
        out = io.StringIO()
        arguments = {"epochs": epochs, "k": 2, "samples": 450, "checkpoints": str(tmp_path)}
        path = bundled_scripts() / "nn" / "examples" / "parameter_server.dml"
        pydml.Script(path, nvargs=arguments, stdout=out).run(outputs=[])
        return float(out.getvalue().split("accuracy ")[1])

    assert run_example(2) < run_example(14)
    assert run_example(14) > 90
