"""docs/builtins.md: a table of all builtins, made from their declarations.

python tests/builtins/test_table.py          writes it anew
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from large_sparse import CALLS, KEPT, REFUSED, SMALL

from pydml.builtins import registry
from pydml.config import bundled_scripts
from pydml.documentation import documentation, known_names, print_documentation, script_builtin

PAGE = Path(__file__).parents[2] / "docs" / "builtins.md"
SCRIPTS = sorted((bundled_scripts() / "builtin").glob("*.dml"))
SPARSE = {KEPT: "sparse", SMALL: "small", REFUSED: "dense"}

HEAD = """# Builtins

Every function that a script can call without `source`; `pydml doc NAME` says more of each. This page is made from the declarations by
`python tests/builtins/test_table.py`, and a test holds it equal to them.

**State.** *native*: written in Python, with kernels for the cases that matter. *script*: written in DML, in `scripts/builtin`. *identity*:
returns its argument, because pydml needs nothing of what it does in SystemDS. *refused*: SystemDS has the name; a call fails before the
run and says why.

**Sparse.** What a matrix of 10^6 x 10^5 cells with few non-zeros gives: *sparse*, a sparse result; *small*, a scalar or a few rows or columns,
from the stored cells alone; *dense*, a matrix that is made dense if it fits in memory, and an error that says how much it would need if
not. Where it depends on the arguments, this is the first call in `tests/builtins/large_sparse.py`, which has all cases. No entry: there is
no matrix that could be sparse, or only the frame or image kind.
"""


def table() -> str:
    lines = [HEAD]
    families: dict[str, list[registry.Builtin]] = {}
    for builtin in registry.all_builtins():
        if can_be_called(builtin):
            families.setdefault(builtin.module.rpartition(".")[2], []).append(builtin)
    for family, builtins in sorted(families.items()):
        lines += [f"## {family}", "", "| builtin | state | sparse | |", "|---|---|---|---|"]
        for builtin in builtins:
            names = ", ".join([f"`{builtin.signature}`", *(f"`{alias}`" for alias in builtin.aliases)])
            sparse = SPARSE[next(iter(CALLS[builtin.name].values()))] if builtin.name in CALLS else ""
            lines.append(row(names, builtin.state, sparse, first_line(builtin.doc)))
        lines.append("")
    lines += ["## Written in DML", "", "| builtin | state | |", "|---|---|---|"]
    for path in SCRIPTS:
        doc, functions = script_builtin(path)
        lines.append(row(", ".join(f"`{signature}`" for signature, _ in functions), "script", first_line(doc)))
    return "\n".join(lines) + "\n"


def can_be_called(builtin: registry.Builtin) -> bool:
    return builtin.name[0].isalpha() and " " not in builtin.name


def row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def first_line(doc: str) -> str:
    """The first paragraph of a documentation, in one line."""
    return " ".join(doc.strip().split("\n\n")[0].split()).rstrip(":")


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == table(), "run python tests/builtins/test_table.py"


def test_states():
    assert {b.state for b in registry.all_builtins()} == {"native", "identity", "refused"}
    for builtin in registry.all_builtins():
        if builtin.state == "refused":
            assert builtin.failures, builtin.name
            assert builtin.doc.startswith("Not supported: ")


# The native functions of SystemDS 3.4.0, by the names that scripts use.
SYSTEMDS = """
abs acos applySchema asin atan avg_pool avg_pool_backward batch_norm2d batch_norm2d_backward bias_add bias_multiply bitwAnd bitwOr bitwXor
bitwShiftL bitwShiftR as.logical as.double as.frame as.integer as.list as.matrix as.scalar cbind ceil cholesky colCountDistinct colMaxs
colMeans colMins colnames colProds colSds colSums colVars compress quantize_compress conv2d conv2d_backward_filter conv2d_backward_data cos
cosh cov cummax cummin cumprod cumsum cumsumprod decompress det detectSchema diag dropInvalidType dropInvalidLength eigen exists exp eval
evalList fft fft_linearized floor freplicate getCategoricalMask ifelse ifft ifft_linearized interQuantile inv interQuartileMean is.na is.nan
is.infinite length lineage list local log lstm lstm_backward lu map max max_pool max_pool_backward mean median min moment ncol nrow outer ppred
prod qr quantile range rbind rowClassMeet remove rev roll round rowCountDistinct rowcumsum rowIndexMax rowIndexMin rowMaxs rowMeans rowMins
rowProds rowSds rowSums rowVars sample sd seq sign sin sinh solve stft sqrt sqrtMatrixJava sum svd table tan tanh trace t typeof var valueSwap
xor autoDiff cdf contains countDistinct countDistinctApprox rowCountDistinctApprox colCountDistinctApprox aggregate icdf lower.tri order
paramserv pchisq pexp pf pnorm pt qchisq qexp qf qnorm qt replace removeEmpty time tokenize toString transformapply transformcolmap
transformdecode transformencode transformmeta unique upper.tri einsum
append rand Rand matrix frame read readMM write print stop assert tensor federated sql avg pmin pmax tr castAsScalar isNaN isNA isInf
is.na ceiling ctable groupedAggregate centralMoment inverse as.boolean rcm sqrtMatrix
""".split()


@pytest.mark.parametrize("name", SYSTEMDS)
def test_native_functions_of_systemds_are_known(name, capsys):
    assert registry.lookup(name) is not None
    assert print_documentation([name]) == 0
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_documentation_of_builtins_written_in_dml(path):
    doc, functions = script_builtin(path)
    assert doc
    assert functions
    text = documentation(path.stem)
    assert all(f"{path.stem}(" in signature and signature in text for signature, _ in functions)


def test_documentation_of_the_library():
    text = documentation("nn/layers/conv2d")
    assert text.startswith("Two-dimensional convolution")
    assert "forward(matrix[double] X" in text
    assert "- W: filters" in text
    assert text == documentation("nn/layers/conv2d.dml")
    assert documentation("nn/layers/nothing") is None
    assert documentation("nothing") is None
    assert set(SYSTEMDS) < set(known_names())


def test_an_unknown_name(capsys):
    assert print_documentation(["colsums"]) == 2
    assert "did you mean colSums?" in capsys.readouterr().err


if __name__ == "__main__":
    PAGE.write_text(table(), encoding="utf-8")
