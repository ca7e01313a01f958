"""run, Script and compile: scripts from Python, their inputs and results."""

import copy
import io
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest

import pydml
from pydml import DMLError


def test_inputs_and_outputs():
    X = np.arange(6.0).reshape(2, 3)
    r = pydml.run("Y = X * a\ns = sum(Y)\nn = nrow(X)\nt = 'text' + n\nb = n > 1", X=X, a=2)
    assert r._fields == ("Y", "b", "n", "s", "t")
    np.testing.assert_array_equal(r.Y, 2 * X)
    assert (r.s, r["n"], r.t, r.b) == (30.0, 2, "text2", True)
    assert [type(v) for v in (r.s, r.n, r.t, r.b)] == [float, int, str, bool]


def test_results_come_in_the_order_asked_for():
    b, a = pydml.run("a = 1; b = 2; c = 3", outputs=["b", "a"])
    assert (b, a) == (2, 1)
    assert pydml.run("a = 1", outputs="a")._asdict() == {"a": 1}
    assert len(pydml.run("a = 1; b = 2", outputs=[])) == 0


def test_an_input_is_a_result_only_if_asked_for_or_assigned():
    assert pydml.run("b = a", a=1)._fields == ("b",)
    assert pydml.run("a = a + 1", a=1).a == 2
    assert pydml.run("b = a", a=1, outputs=["a"]).a == 1


def test_results_refuse_nonsense():
    r = pydml.run("total = 1")
    with pytest.raises(KeyError, match=r"no output totl; its outputs are: total; did you mean total\?"):
        _ = r["totl"]
    with pytest.raises(AttributeError, match="no output x"):
        _ = r.x
    with pytest.raises(AttributeError, match="cannot be changed"):
        r.total = 2
    assert "total" in r
    assert "total" in dir(r)
    assert repr(pydml.run("X = matrix(0, 2, 3); s = 'a'")) == "Result(X=ndarray 2 x 3, s='a')"
    assert copy.copy(r).total == pickle.loads(pickle.dumps(r)).total == 1


def test_unknown_output():
    with pytest.raises(DMLError, match="does not assign the output totl") as error:
        pydml.run("total = 1", outputs=["totl"])
    assert error.value.diagnostic.help == "did you mean total?"


def test_names_that_are_arguments_of_run():
    assert pydml.run("x = seed + path", inputs={"seed": 1, "path": 2}).x == 3
    assert pydml.Script("x = seed + self").input(seed=1, self=2).run().x == 3


def test_parameters():
    script = "x = $1 + $2; y = $name; z = ifdef($other, 'none')"
    r = pydml.run(script, args=[1, 2.5], nvargs={"name": "5"})
    assert (r.x, r.y, r.z) == (3.5, "5", "none")  # a str stays one: only the command line reads numbers from text
    assert pydml.run("x = $b", nvargs={"b": np.bool_(True)}).x is True
    with pytest.raises(DMLError, match="must be a bool, a number or a str"):
        pydml.run("x = $a", nvargs={"a": np.ones((2, 2))})


def test_text_or_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("script.dml").write_text("x = 5")
    Path("script.txt").write_text("x = 6")
    assert pydml.run("script.dml").x == 5
    assert pydml.run(Path("script.txt")).x == 6
    assert pydml.run("x = 7 # .dml\n").x == 7
    with pytest.raises(DMLError, match=r"there is no file scripts\.dml") as error:
        pydml.run("scripts.dml")
    assert "script.dml" in str(error.value)


def test_print_goes_to_standard_output_or_where_asked(capsys):
    pydml.run("print(1)")
    assert capsys.readouterr().out == "1\n"
    out = io.StringIO()
    pydml.run("print(1)", stdout=out)
    assert (out.getvalue(), capsys.readouterr().out) == ("1\n", "")


def test_precision():
    X = np.array([[0.1]])
    assert pydml.run("Y = X + 0", X=X, outputs="Y", precision="single").Y.dtype == np.float32
    assert pydml.run("Y = X + 0", X=X.astype(np.float32), outputs="Y").Y.dtype == np.float64
    with pytest.raises(DMLError, match="the precision must be double or single, got 'half'"):
        pydml.run("x = 1", precision="half")


def test_seed():
    text = "X = rand(rows=2, cols=2)"
    first = pydml.run(text, seed=4).X
    np.testing.assert_array_equal(first, pydml.run(text, seed=4).X)
    assert (first != pydml.run(text, seed=5).X).any()
    assert (pydml.run(text).X != pydml.run(text).X).any()


def test_settings_are_checked():
    for settings, message in [({"threads": 0}, "threads"), ({"seed": -1}, "seed"), ({"seed": 1.5}, "seed")]:
        with pytest.raises(DMLError, match=message):
            pydml.run("x = 1", **settings)
    assert pydml.run("x = 1", threads=1).x == 1


def test_path(tmp_path):
    (tmp_path / "one.dml").write_text("f = function() return (int x) { x = 5 }")
    assert pydml.run('source("one.dml") as one\nx = one::f()', path=tmp_path).x == 5
    assert pydml.run('source("one.dml") as one\nx = one::f()', path=[str(tmp_path)]).x == 5


def test_error_has_its_place():
    with pytest.raises(DMLError) as caught:
        pydml.run("x = 1\nif (x > 0) {\n  stop('no ' + x)\n}")
    error = caught.value
    assert (error.id, error.message, error.file, error.line, error.column) == ("stop", "no 1", "<text>", 3, 3)
    assert "3 |   stop('no ' + x)" in str(error)


def test_errors_can_be_pickled():
    with pytest.raises(DMLError) as caught:
        pydml.run("stop('no')")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_deep_nesting_is_an_error_of_the_script():
    with pytest.raises(DMLError) as caught:
        pydml.run("x = 1" + " + 1" * 50000)
    assert caught.value.id == "recursion"
    with pytest.raises(DMLError) as caught:
        pydml.run("f = function(int n) return (int x) { x = f(n + 1) }\ny = f(0)")
    assert caught.value.id == "recursion"


# ---- compile


def test_compile_and_call_often():
    step = pydml.compile("W = W - rate * dW", inputs=["W", "dW", "rate"], outputs=["W"])
    for n in (2, 3):
        W, dW = np.ones((n, 2)), np.full((n, 2), 0.5)
        np.testing.assert_array_equal(step(W=W, dW=dW, rate=1).W, np.full((n, 2), 0.5))
    assert "inputs" not in repr(step)
    assert "W: value" in repr(step)
    assert "W" in step.explain()


def test_compile_with_types_and_examples():
    f = pydml.compile(
        "Y = X * scale + shift",
        inputs={"X": pydml.Matrix(cols=2), "scale": float, "shift": np.zeros((1, 2))},
        outputs="Y",
    )
    assert f(X=np.ones((3, 2)), scale=2, shift=np.ones((1, 2))).Y.shape == (3, 2)
    for arguments, message in [
        ({"X": np.ones((3, 3)), "scale": 1.0}, "X was declared as a matrix \\? x 2, got a matrix 3 x 3"),
        ({"X": np.ones((3, 2)), "scale": "a"}, "scale was declared as a double, got a string"),
        ({"X": 5, "scale": 1.0}, "X was declared as a matrix"),
    ]:
        with pytest.raises(DMLError, match=message):
            f(**arguments, shift=np.ones((1, 2)))


def test_compile_finds_mistakes_before_any_call():
    with pytest.raises(DMLError, match="shape") as error:
        pydml.compile("Y = X %*% W", inputs={"X": pydml.Matrix(4, 3), "W": pydml.Matrix(2, 5)}, outputs="Y")
    assert error.value.id == "shape-mismatch"
    with pytest.raises(DMLError, match="cannot be declared as bytes"):
        pydml.compile("y = x", inputs={"x": bytes})


def test_compiled_function_checks_its_arguments():
    f = pydml.compile("y = x", inputs=["x"])
    with pytest.raises(DMLError, match="the input x is missing"):
        f()
    with pytest.raises(DMLError, match="without an input z"):
        f(x=1, z=2)


def test_one_compiled_function_in_many_threads():
    f = pydml.compile(
        "s = 0\nfor (i in 1:200) { X[1, 1] = X[1, 1] + as.scalar(X[1, 2]) }\ns = sum(X)", inputs=["X"], outputs="s"
    )
    results = {}

    def work(k):
        results[k] = f(X=np.array([[0.0, float(k)]])).s

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {k: 201.0 * k for k in range(8)}
