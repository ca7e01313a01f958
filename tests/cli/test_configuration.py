"""-config, -clean and other options of SystemDS that do something."""

import pytest
from test_command import pydml_command

from pydml import DMLError
from pydml.cli import parse_arguments
from pydml.config_file import read_config_file

SINGLE = "X = matrix(0.1, 1, 1); print(as.scalar(X) == 0.1)"


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "config.xml"
        path.write_text(f"<root>\n{text}\n</root>\n")
        return path

    return write


@pytest.mark.parametrize("prefix", ["sysds.", ""])
def test_properties_with_effect(config, prefix):
    path = config(
        f"<{prefix}floating.point.precision>single</{prefix}floating.point.precision>\n"
        f"<!-- one thread --><{prefix}cp.parallel.ops> FALSE </{prefix}cp.parallel.ops>\n"
        f"<{prefix}optlevel>0</{prefix}optlevel>"
    )
    settings = read_config_file(path)
    assert (settings.precision, settings.threads, settings.optimized) == ("single", 1, False)
    assert settings.remarks == []
    assert pydml_command("-e", SINGLE, "-config", path) == (0, "FALSE\n", "")
    # what the command line says counts more
    assert pydml_command("-e", SINGLE, "-config", path, "--precision", "double")[1] == "TRUE\n"


def test_properties_without_effect_and_unknown_ones(config):
    path = config(
        "<sysds.optlevel>2</sysds.optlevel><sysds.gpu.availableGPUs>-1</sysds.gpu.availableGPUs>\n"
        "<sysds.native.blas>mkl</sysds.native.blas>\n"
        "<sysds.floating.point.precison>single</sysds.floating.point.precison>\n"
        "<cp.paralel.ops>false</cp.paralel.ops>"
    )
    status, output, errors = pydml_command("-e", "print(1)", "-config", path)
    assert (status, output) == (0, "1\n")
    assert errors.splitlines() == [
        "warning[option]: sysds.native.blas has no effect: products always run in NumPy's BLAS",
        f"warning[option]: {path}: there is no property sysds.floating.point.precison; "
        "did you mean sysds.floating.point.precision?",
        f"warning[option]: {path}: there is no property cp.paralel.ops; did you mean cp.parallel.ops?",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "<sysds.floating.point.precision>half</sysds.floating.point.precision>",
            "must be double or single, got 'half'",
        ),
        ("<sysds.cp.parallel.ops>maybe</sysds.cp.parallel.ops>", "must be true or false, got 'maybe'"),
        ("<sysds.optlevel>9</sysds.optlevel>", "got '9'"),
        ("<open>", "is not XML"),
    ],
)
def test_wrong_files(config, text, message):
    with pytest.raises(DMLError, match=message):
        read_config_file(config(text))


def test_a_file_that_is_not_there():
    status, _, errors = pydml_command("-e", "print(1)", "-config", "/nowhere.xml")
    assert (status, errors) == (1, "error[file]: there is no configuration file /nowhere.xml\n")


def test_clean_removes_what_pydml_has_kept_and_nothing_else(tmp_path):
    environment = {"PYDML_CACHE_DIR": str(tmp_path)}
    tmp_path.chmod(0o700)
    (tmp_path / "notes.txt").write_text("mine")
    assert pydml_command("-e", "print(1)", environment=environment)[0] == 0
    assert len(list(tmp_path.iterdir())) > 1
    status, output, _ = pydml_command("-clean", environment=environment)
    assert status == 0
    assert output.startswith("removed ") and str(tmp_path) in output
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
    environment["PYDML_CACHE_DIR"] = ""
    assert pydml_command("-clean", environment=environment) == (0, "there is no cache to clean\n", "")


def test_options_that_systemds_spells_otherwise():
    assert parse_arguments("-f a.dml -seed -1".split()).seed is None
    assert parse_arguments("-f a.dml -explain codegen".split()).explain == "python"
    assert parse_arguments("-f a.dml -explain recompile_hops".split()).explain == "program"
