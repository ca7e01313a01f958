"""The pytest plugin: what it collects, what passes, and what a failure shows."""

import io

import pytest

import pydml

# Loaded before pytester takes its snapshot: NumPy can be loaded only once in a process.
pydml.run("X = rand(rows=1, cols=1); print(as.scalar(X) < 0)", stdout=io.StringIO())


@pytest.fixture
def run(pytester):
    """Write DML files and run pytest on them."""

    def run_files(*options, **files):
        for name, text in files.items():
            pytester.path.joinpath(f"{name}.dml").write_text(text)
        return pytester.runpytest_inprocess("-p", "pydml.testing.plugin", "-p", "no:hypothesispytest", *options)

    return run_files


def test_functions_named_test_are_tests(run):
    result = run(
        test_sum="""
            test_one = function() { assert(1 + 1 == 2) }
            test_two = function() { x = 3
              assert(x == 4) }
            test_with_parameter = function(int a) { assert(a == 0) }
            helper = function() { assert(FALSE) }
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["error[[]assert]*", "*test_sum.dml:4:*", "4 | *assert(x == 4)*", "*^^^^*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*.py:*")


def test_a_file_with_expectations_is_run_as_a_whole(run):
    run(anything="print(1 + 1)  # expect: 2\nprint('a') # expect: a\n").assert_outcomes(passed=1)


def test_other_files_are_left_alone(run):
    result = run(library="f = function() { stop('no') }", table='print("# expect: 1")')
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    run("library.dml").assert_outcomes(passed=1)


def test_a_wrong_line_shows_source_expected_and_found(run):
    result = run(wrong="print(1)  # expect: 1\nprint(1 + 1)  # expect: 3\nprint(5) # expect: 5\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "wrong.dml:2: the output differs",
            "2 | print(1 + 1)  # expect: 3",
            "  = expected: 3",
            "  = found:    2",
            "the whole output:",
            "  1",
            "  2",
            "  5",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_missing_output(run):
    result = run(wrong="print(1)  # expect: 1\nif (1 > 2) {\n  print(2)  # expect: 2\n}\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["wrong.dml:3: the output differs", "  = found:    nothing more"])


def test_output_that_nobody_expects(run):
    result = run(wrong="print(1)  # expect: 1\nprint(2)\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["wrong.dml:1: the output differs after this line", "  = found:    2"])


def test_blank_lines_are_passed_over_unless_asked_for(run):
    run(
        silent='print("")\nprint(1)  # expect: 1\nprint("")\n',
        asked='print("")  # expect:\nprint(1)  # expect: 1\n',
    ).assert_outcomes(passed=2)
    run(wrong="print(1) # expect: 1\n# expect:\nprint(2) # expect: 2").assert_outcomes(passed=2, failed=1)


def test_a_loop_has_several_expectations(run):
    run(loop="for (i in 1:2) print(i) # expect: 1\n# expect: 2\n").assert_outcomes(passed=1)


def test_marks_in_strings_and_block_comments_do_not_count(run):
    run(strings="print('# expect: 1') # expect: # expect: 1\n/* # expect: 9 */\n").assert_outcomes(passed=1)


def test_arguments(run):
    run(args="# args: 3 name=x 'text=two words'\nprint($1 + $name + $text)  # expect: 3xtwo words\n").assert_outcomes(
        passed=1
    )


def test_expected_error(run):
    run(
        right="print(1) # expect: 1\nstop('no ' + 3)  # error: [stop] no 3\n",
        before_running="x = nothing(1)  # error: [undefined-function] nothing\ny = neither(1) # error: [undefined-function]\n",
        syntax="x = = 1  # error: [syntax]\n",
    ).assert_outcomes(passed=3)


def test_error_on_another_line_with_another_id_or_none(run):
    result = run(
        line="stop('no')\n# error: [stop] no\n",
        id="stop('no')  # error: [value] no\n",
        text="stop('no')  # error: [stop] yes\n",
        none="print(1)  # error: [stop] no\n",
    )
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        ["id.dml:1: another error than expected", "  = expected: [[]value] no", "  = found:    [[]stop] no"]
    )
    result.stdout.fnmatch_lines(["line.dml:2: another error than expected"])
    result.stdout.fnmatch_lines(["none.dml:1: there was no error"])


def test_one_expected_and_one_unexpected_error(run):
    result = run(two="x = nothing(1)  # error: [undefined-function]\ny = neither(1)\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["error[[]undefined-function]*neither", "2 | y = neither(1)"])


def test_an_error_in_another_file_belongs_to_the_call(run):
    library = "f = function(int a) return (int b) { if (a > 0) { stop('deep') }\n b = a }"
    run(lib=library, caller='source("lib.dml") as lib\nx = lib::f(1)  # error: [stop] deep\n').assert_outcomes(passed=1)


def test_an_error_comment_needs_an_id(run):
    result = run(bad="stop('no')  # error: no\n")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*bad.dml:1: write `# error: [[]id] part of the message`"])


def test_expectations_within_a_test_function(run):
    result = run(
        test_output="test_a = function() {\n  print(1)  # expect: 1\n}\ntest_b = function() {\n  print(2)  # expect: 1\n}\n"
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["test_output.dml:5: the output differs"])


def test_tmp_is_a_fresh_folder(run, tmp_path):
    run(
        writes='x = 1\nwrite(x, $tmp + "/x")\nprint(read($tmp + "/x", data_type="scalar", value_type="int")) # expect: 1\n'
    ).assert_outcomes(passed=1)


def test_seed_of_random_numbers_is_shown_and_can_be_given(run):
    text = "X = rand(rows=1, cols=1)\nprint(as.scalar(X))  # expect: 2\n"
    first = run("--dml-seed", "7", r=text)
    first.stdout.fnmatch_lines(["random numbers: --dml-seed=7"])
    found = [line for line in first.outlines if "found:" in line]
    assert found == [line for line in run("--dml-seed", "7", r=text).outlines if "found:" in line]
    assert found != [line for line in run("--dml-seed", "8", r=text).outlines if "found:" in line]


def test_precision_can_be_given(run):
    text = "X = matrix(0.1, rows=1, cols=1)\nprint(as.scalar(X) == 0.1)  # expect: TRUE\n"
    run(p=text).assert_outcomes(passed=1)
    run("--dml-precision", "single", p=text).assert_outcomes(failed=1)
