"""The kernels for large files: the same results, bytes and messages as the plain code."""

import math
import random
import struct

import numpy as np
import pytest
from io_testing import error, read_dense, sparse, write

from pydml.backends.text import files
from pydml.builtins import registry  # noqa: F401
from pydml.io import numbers
from pydml.values.text import double_text


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    """Tiles of some lines, so that small files have many."""
    monkeypatch.setattr(files, "_TILE_BYTES", 64)
    monkeypatch.setattr(files, "_TILE_CELLS", 16)
    monkeypatch.setattr(files, "_SPECIAL_CELLS", 3)


def both(monkeypatch, call, used=True):
    """What the call gives (or fails with) by the plain code, and by the kernels, which must have been used or not."""
    outcomes = []
    results = []
    for fast in (False, True):
        with monkeypatch.context() as patch:
            patch.setattr(files, "_worth", lambda *args, fast=fast: fast)
            if fast:
                for name, function in list(numbers._FAST.items()):
                    patch.setitem(numbers._FAST, name, lambda *a, f=function: results.append(f(*a)) or results[-1])
            try:
                outcomes.append(call())
            except Exception as problem:
                if fast:
                    results.append(problem)
                outcomes.append((problem.id, problem.message, problem.diagnostic.help))
    assert any(r is not NotImplemented for r in results) == used
    return outcomes


def test_files_earn_a_kernel_together(monkeypatch):
    monkeypatch.setattr(files, "_used", set())
    monkeypatch.setattr(files, "_waited", 0.0)
    least = files._KERNEL_NS
    monkeypatch.setattr(files, "_LOADING_NS", least)  # Numba may be loaded or not
    assert not files._worth("write", 0.6 * least) and files._worth("write", 0.6 * least)
    assert files._worth("write", 1e7) and not files._worth("write", 1e6)  # a loaded kernel takes all but small files
    assert not files._worth("read", 0.6 * least) and files._worth("other", least)


def put(tmp_path, content):
    path = tmp_path / "t"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def doubles(rng, count):
    """Doubles of all kinds: any bits, short decimals, whole numbers, powers of two and ten."""
    makers = [
        lambda: struct.unpack("d", rng.randbytes(8))[0],
        lambda: rng.gauss(0, 1),
        lambda: round(rng.gauss(0, 10 ** rng.randrange(-6, 8)), rng.randrange(8)),
        lambda: float(rng.getrandbits(rng.randrange(1, 70))),
        lambda: math.ldexp(1, rng.randrange(-1074, 1024)),
        lambda: float(f"{rng.randrange(100)}e{rng.randrange(-320, 300)}"),
        lambda: rng.choice([0.0, -0.0, math.nan, math.inf, -math.inf, 1e-3, 1e7, 9999999.999999998, 2.0**53]),
    ]
    return [rng.choice(makers)() for _ in range(count)]


def test_numbers_are_those_of_python(tmp_path, monkeypatch):
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    texts = [repr(v) for v in doubles(rng, 3000)]
    texts += [f"{rng.gauss(0, 1000):.{rng.randrange(30)}g}" for _ in range(1000)]
    texts += [
        f"{'-' if rng.random() < 0.5 else '+'}{rng.getrandbits(rng.randrange(90))}e{rng.randrange(-400, 400)}"
        for _ in range(1000)
    ]
    for _ in range(500):  # near the middle of two doubles, with many digits
        v = rng.random() * 10.0 ** rng.randrange(-5, 25)
        n, d = v.as_integer_ratio()
        m, e = math.nextafter(v, math.inf).as_integer_ratio()
        numerator, denominator = n * e + m * d, 2 * d * e
        texts.append(str(numerator * 10**40 // denominator) + "e-40")
    texts += [
        "1.",
        ".5",
        "0",
        "-0",
        "00001.5",
        "0.000000000000000000000000000001",
        "1e0005",
        "0e999999",
        "1" + "0" * 30,
    ]
    expected = np.array([[float(t)] for t in texts])
    plain, fast = both(monkeypatch, lambda: read_dense(put(tmp_path, "\n".join(texts) + "\n"), format="csv"))
    assert np.array_equal(plain.view(np.uint64), expected.view(np.uint64)) or np.isnan(expected).any(), seed
    wrong = np.flatnonzero(fast.view(np.uint64) != plain.view(np.uint64))
    assert [texts[k] for k in wrong if fast[k, 0] == fast[k, 0]] == [], seed


def test_texts_are_those_of_java(tmp_path, monkeypatch):
    seed = random.randrange(2**32)
    values = np.array(doubles(random.Random(seed), 4000)).reshape(-1, 4)
    path = tmp_path / "t"
    plain, fast = both(monkeypatch, lambda: (write(values, path, format="csv"), path.read_text())[1])
    cells = [c for line in fast.splitlines() for c in line.split(",")]
    expected = ["0" if v == 0 else double_text(v) for v in values.ravel().tolist()]
    assert [(a, b) for a, b in zip(cells, expected, strict=True) if a != b] == [], seed
    assert fast == plain
    plain, fast = both(monkeypatch, lambda: (write(values, path), path.read_text())[1])
    assert fast == plain and len(fast) > 1000


LINES = "".join(f"{k},{k / 8},-{k}e-3\n" for k in range(60))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (LINES, {}),
        (LINES, {"dtype": np.float32}),
        (LINES.replace("\n", "\r\n"), {}),
        (LINES[:-1], {}),
        (LINES[:-1] + "\r", {}),
        (LINES + "\n \n\r\n", {}),
        (LINES + "7,8,9", {}),
        (LINES + "7,,NA", {"naStrings": "NA"}),
        ("a,b,c\n" + LINES, {"header": True}),
        ("\ufeffa\n" + LINES, {"header": True}),
        ("\ufeff" + LINES, {}),
        (LINES.replace(",", " ; "), {"sep": " ; "}),
        (LINES.replace(",", ";"), {"sep": ";"}),
        (LINES.replace(",", "\t"), {"sep": "\t"}),
        (LINES.replace(",", " "), {"sep": " "}),
        (LINES.replace(",", " ,\t "), {}),
        (LINES.replace("1", ""), {}),
        (LINES.replace("1", ""), {"default": -1}),
        (LINES.replace("\n", ",\n"), {}),
        (LINES.replace("2", "NaN"), {"naStrings": ("NaN", "3")}),
        (LINES.replace(",3,", ",NA,").replace("4\n", " null \n"), {"naStrings": ("NA", "5", "null", "-7e-3")}),
        (LINES.replace("5", '"5"').replace('"5"-', "5-"), {}),
        (LINES.replace("6", "Infinity").replace("7", "0x1p3").replace("8", "8d"), {"fill": False}),
        ("1\n2\n3\n" * 40, {}),
        (LINES, {"rows": 64, "cols": 3}),
    ],
)
def test_same_matrix(tmp_path, monkeypatch, text, options):
    plain, fast = both(monkeypatch, lambda: read_dense(put(tmp_path, text), format="csv", **options))
    if isinstance(plain, tuple):
        assert plain == fast
    else:
        assert plain.shape[0] >= 60 and plain.dtype == fast.dtype
        assert np.array_equal(plain, fast, equal_nan=True)


@pytest.mark.parametrize(
    ("old", "new", "options"),
    [
        ("40,", "x,", {}),
        ("40,", "4_0,", {}),
        ("40,", ",", {"fill": False}),
        ("\n40,", "\n\n40,", {}),
        ("\n40,", "\n  \n40,", {}),
        ("\n40,", "\n1,40,", {}),
        ("\n40,", "\n", {}),
        ("\n40,", "\n,,,,,,,40,", {}),
        ("\n40,5.0,", "\n40,5.0;", {}),
        ("\n40,", "\n1\r40,", {}),
        ("59e-3\n", "59e-3\n1,2", {}),
        ("59e-3\n", "59e-3\n1,2,x", {}),
        ("5", ";", {}),
        (",", ";", {}),
    ],
)
def test_same_message(tmp_path, monkeypatch, old, new, options):
    assert old in LINES
    path = put(tmp_path, LINES.replace(old, new))
    plain, fast = both(monkeypatch, lambda: read_dense(path, format="csv", **options))
    assert isinstance(plain, tuple) and plain == fast


@pytest.mark.parametrize("text", ["", "\n\n", "1,2", "1,2\n", "a,b\n", LINES.replace("\n", "\r"), "1,2\r3,4\n5,6\n"])
@pytest.mark.parametrize("header", [False, True])
def test_unusual_files(tmp_path, monkeypatch, text, header):
    with monkeypatch.context() as patch:
        patch.setattr(numbers, "_FAST", {})
        try:
            plain = read_dense(put(tmp_path, text), format="csv", header=header)
        except Exception as problem:
            plain = problem.message
    monkeypatch.setattr(files, "_worth", lambda *args: True)
    if isinstance(plain, str):
        assert error(read_dense, tmp_path / "t", format="csv", header=header).message == plain
    else:
        assert np.array_equal(read_dense(tmp_path / "t", format="csv", header=header), plain)


TRIPLES = "".join(f"{k % 9 + 1} {k + 1} {k / 8}\n" for k in range(80))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (TRIPLES, {}),
        (TRIPLES[:-1], {}),
        (TRIPLES.replace("\n", " \r\n").replace(" ", "\t "), {}),
        ("0 0 0\n\n" + TRIPLES.replace("9", "NaN", 1) + "\n0 0 0", {}),
        (TRIPLES + TRIPLES.replace("3", "1"), {}),
        ("%%MatrixMarket matrix coordinate real general\n9 80 80\n" + TRIPLES, {"format": "mm"}),
        (
            "%%MatrixMarket matrix coordinate pattern general\n9 80 80\n"
            + "".join(line.rpartition(" ")[0] + "\n" for line in TRIPLES.splitlines()),
            {"format": "mm"},
        ),
        (TRIPLES.replace("\n5 ", "\n10 "), {}),
        (TRIPLES.replace("\n5 ", "\n0 "), {}),
        (TRIPLES.replace("\n5 ", "\n5"), {}),
        (TRIPLES.replace("\n5 ", "\nx "), {}),
        (TRIPLES.replace("\n5 ", "\n5.0 "), {}),
        (TRIPLES.replace("\n5 ", "\n5 5 "), {}),
        (TRIPLES.replace("0.5\n", "0.5x\n"), {}),
        (TRIPLES + "3 4", {}),
    ],
)
def test_same_triples(tmp_path, monkeypatch, text, options):
    options = {"rows": 9, "cols": 80} | options
    plain, fast = both(monkeypatch, lambda: read_dense(put(tmp_path, text), **options))
    assert plain == fast if isinstance(plain, tuple) else np.array_equal(plain, fast, equal_nan=True)


def matrix():
    rng = np.random.default_rng(5)
    return rng.standard_normal((50, 7)) * (rng.random((50, 7)) < 0.4)


@pytest.mark.parametrize(
    "make", [np.array, sparse, np.asfortranarray, lambda a: a.astype(np.float32), lambda a: a[::-1, ::2]]
)
@pytest.mark.parametrize(
    "options",
    [
        {"format": "csv"},
        {"format": "csv", "sep": " | ", "header": True},
        {"format": "csv", "sparse": True},
        {"format": "text"},
        {"format": "mm"},
    ],
)
def test_same_bytes(tmp_path, monkeypatch, make, options):
    plain, fast = both(
        monkeypatch, lambda: (write(make(matrix()), tmp_path / "t", **options), (tmp_path / "t").read_bytes())[1]
    )
    assert plain == fast


def test_small_files_do_not_load_numba(tmp_path):
    import subprocess
    import sys

    program = (
        "import sys, numpy as np\n"
        "from pydml.builtins import registry\n"
        "registry.names()\n"
        "from pydml.io.load import read_value\n"
        "from pydml.io.save import write_value\n"
        f"write_value(np.ones((300, 30)), {str(tmp_path / 'x')!r}, {{'format': 'csv'}})\n"
        f"read_value({str(tmp_path / 'x')!r}, {{}})\n"
        "sys.exit('numba' in sys.modules or 'scipy' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


# ---- libsvm and arrays


def libsvm_lines(rng, sep, index_sep, padded):
    lines = []
    for _ in range(60):
        kind = rng.random()
        entries = [f"{rng.choice([0, 1, -1, 2.5])}"]
        for index in sorted(rng.sample(range(1, 12), rng.randrange(8))):
            value = rng.choice(["1", "-2.5", "0.30000000000000004", "1e-7", "NaN", "Infinity", " 3", "1e400", "0"])
            entries.append(f"{index}{index_sep}{value if padded else value.strip()}")
        line = sep.join(entries)
        if kind < 0.1:
            line = ""
        elif kind < 0.15:
            line += " # remark 3:4"
        elif kind < 0.2:
            line = "# only a remark"
        elif kind < 0.3:
            line = f"  {line}  "
        lines.append(line + ("\r\n" if rng.random() < 0.2 else "\n"))
    return "".join(lines)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("options", "sep"),
    [({}, " "), ({}, "\t"), ({}, ","), ({"sep": ","}, ","), ({"sep": " "}, " "), ({"indSep": "=", "sep": ";"}, ";")],
)
def test_libsvm(tmp_path, monkeypatch, options, sep, seed):
    rng = random.Random(seed)
    text = libsvm_lines(rng, sep, options.get("indSep", ":"), padded=options.get("sep", " ") != " ")
    if seed % 2:
        text = text.rstrip("\r\n")
    plain, fast = both(monkeypatch, lambda: read_dense(put(tmp_path, text), format="libsvm", cols=12, **options))
    assert np.array_equal(plain, fast, equal_nan=True)
    assert plain.shape[0] > 30


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("1 2", {}),
        ("1 13:2", {}),
        ("1 0:2", {}),
        ("1 x:2", {}),
        ("1 1:y", {}),
        ("a 1:2", {}),
        ("1 1:2 3", {}),
        ("1 1:2:3", {}),
        ("1 1:2", {"sep": ","}),
        ("1;2:3", {}),
        ("1 1:", {}),
        ("1 1234567890123456789012:3", {}),
    ],
)
def test_malformed_libsvm(tmp_path, monkeypatch, line, options):
    good = "1,1:2\n" if options else "1 1:2\n"
    text = good * 40 + line + "\n" + good * 5
    plain, fast = both(monkeypatch, lambda: read_dense(put(tmp_path, text), format="libsvm", cols=12, **options))
    assert plain == fast
    assert plain[0] == "data-format"
    assert "line 41, " in plain[1]


@pytest.mark.parametrize("make", [np.array, sparse])
@pytest.mark.parametrize("options", [{}, {"sep": " "}, {"sep": "; ", "indSep": "=="}])
def test_writes_libsvm(tmp_path, monkeypatch, make, options):
    rng = random.Random(3)
    array = np.array(doubles(rng, 600)).reshape(60, 10)
    array[rng.choices(range(60), k=200), rng.choices(range(10), k=200)] = 0
    array[7] = 0

    def text():
        write(make(array), tmp_path / "x", format="libsvm", **options)
        return (tmp_path / "x").read_bytes()

    plain, fast = both(monkeypatch, text)
    assert plain == fast
    assert len(plain.splitlines()) == 60


def test_array_of_matrix_market(tmp_path, monkeypatch):
    rng = random.Random(4)
    cells = "\n".join(repr(v) for v in doubles(rng, 150))
    text = f"%%MatrixMarket matrix array real general\n% remark\n15 10\n{cells}\n"
    plain, fast = both(monkeypatch, lambda: read_dense(put(tmp_path, text)))
    assert plain.shape == (15, 10)
    assert np.array_equal(plain, fast, equal_nan=True)
    wrong = (
        text.replace(repr(plain[3, 2]), "x", 1)
        if repr(plain[3, 2]) in text
        else text.replace("\n15 10\n", "\n15 10\nx\n")
    )
    plain, fast = both(monkeypatch, lambda: read_dense(put(tmp_path, wrong)))
    assert plain == fast
    assert plain[0] == "data-format"
