"""The command line: arguments to a `Script`, errors to text and an exit status.

Options are read by hand, not by argparse: SystemDS's options have one dash and take as many values as follow
(`-args 1 2 3 -stats`), and half of the time to start would go into building an argparse parser.
"""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from pydml.diagnostics import Diagnostic, DMLError, SourceFile, internal_error
from pydml.records import dataclass

if TYPE_CHECKING:
    from pydml.execution.executable import Executable
    from pydml.script import Script

USAGE = """\
usage: pydml FILE [options]              run a DML script ('-': from standard input)
       pydml -e TEXT [options]           run DML given as text
       pydml doc [NAME]                  documentation of a builtin; without NAME: all builtins
       pydml explain ID                  what an error means, by the id in error[id]
       pydml data prepare|verify ...     data sets of images; --help tells more
       pydml plot RUN ...                loss, accuracy and rates of training runs; --help tells more
       pydml report RUN                  a training run as one HTML page
       pydml estimate FILE ...           memory and arithmetic of a training step by batch size
       (a script that is called like one of these words: pydml -f FILE)

the script
  -f, --file FILE            the script, another way to name it
  -e, -s TEXT                the script as text
  -args VALUE ...            values of $1, $2, ...; NAME=VALUE also gives $NAME its value
  -nvargs NAME=VALUE ...     values of $NAME
  --path DIR                 where source() looks before the scripts that come with pydml; may be repeated
  --systemds-root PATH       a SystemDS (checkout, SystemDS.jar, or a folder with it) whose scripts can be used by name

the run
  --precision double|single  floating-point numbers of matrices
  --threads N                threads to use (default: all cores; $SYSTEMDS_NUM_THREADS)
  --seed N                   start of the random numbers of calls that give no seed; -1: another one in each run
  --deterministic            the last bits of solve, svd, ... do not depend on the number of threads; they use one
  --config FILE              a configuration file of SystemDS (XML)
  --mem SIZE                 largest matrix in memory, such as 500m or 4g (default: the machine's memory)
  --conv fast|exact          exact: convolutions are plain sums, without Winograd's method, whose last digits differ
  --no-optimize              run the program as it is written, without rewrites
  --check                    look for mistakes only; do not run

what is shown
  --stats [N]                after the run: the N (10) operations that took the most time, memory
  --explain [STAGE]          before the run: the program as syntax, ir, types, program or python (the default);
                             conv: after the run, which algorithm each convolution took
  --format text|line|json    form of error messages
  --debug                    Python tracebacks with errors
  --help, --version

Options may be written with one dash or two.  `--` ends the values of -args and -nvargs.
Exit status: 0 success, 1 an error in the script or its data, 2 wrong usage, 130 interrupted.
"""

STAGES = {
    "syntax": "syntax",
    "ir": "ir",
    "types": "types",
    "program": "program",
    "python": "python",
    "conv": "conv",
    "hops": "program",
    "runtime": "python",
    "recompile_hops": "program",
    "recompile_runtime": "python",
    "codegen": "python",
    "codegen_recompile": "python",
}

_FORMATS = ("text", "line", "json")

# Options of SystemDS that have no effect here, with the reason.  `values`: how many values they take at most.
_WITHOUT_EFFECT: dict[str, tuple[int, str]] = {
    "gpu": (1, "everything runs on the CPU"),
    "lineage": (9, "lineage is not traced"),
    "ooc": (0, "there is no out-of-core mode"),
    "oocStats": (1, "there is no out-of-core mode"),
    "ngrams": (2, "n-grams of operations are not counted"),
    "fedStats": (1, "there is no federated mode"),
    "federatedCompilation": (1, "there is no federated mode"),
    "noFedRuntimeConversion": (0, "there is no federated mode"),
    "checkPrivacy": (0, "there is no federated mode"),
    "sparseIntermediate": (0, "the form of intermediate results follows from their values"),
}
_IMPOSSIBLE = {
    "w": "pydml has no federated workers",
    "fedMonitoring": "pydml has no federated mode",
    "python": "from Python, call pydml.run (see docs/embedding.md)",
}


class UsageError(Exception):
    """The command line is wrong; the message says how."""


@dataclass
class Options:
    """What the command line says."""

    file: str | None = None
    text: str | None = None
    args: list[str] = field(default_factory=list)
    nvargs: dict[str, str] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)
    systemds_root: str | None = None
    precision: str | None = None  # "double", unless a configuration file says otherwise
    threads: int | None = None
    seed: int | None = None
    memory: int | None = None
    conv: str = "fast"
    optimized: bool = True
    config: str | None = None
    deterministic: bool = False
    check: bool = False
    stats: int | None = None
    explain: str | None = None
    format: str = "text"
    debug: bool = False
    action: str = "run"  # run, help, version, clean
    remarks: list[str] = field(default_factory=list)


# ---- reading the command line

_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|-Infinity")


class _Tokens:
    """The arguments, taken one after the other."""

    def __init__(self, argv: Sequence[str]):
        self.argv = list(argv)
        self.position = 0

    def more(self) -> bool:
        return self.position < len(self.argv)

    def take(self) -> str:
        self.position += 1
        return self.argv[self.position - 1]

    def peek(self) -> str | None:
        return self.argv[self.position] if self.more() else None

    def values(self, option: str) -> list[str]:
        """All values up to the next option; `--` makes everything behind it a value."""
        found: list[str] = []
        while (token := self.peek()) is not None:
            if token == "--":
                self.take()
                found += self.argv[self.position :]
                self.position = len(self.argv)
            elif _is_option(token) and not _NUMBER.fullmatch(token):
                if _option_name(token) not in _OPTIONS:
                    raise UsageError(
                        f"{option}: {token} is not an option"
                        + _similar(token)
                        + "; write -- before values that begin with a dash"
                    )
                break
            else:
                found.append(self.take())
        return found


def _is_option(token: str) -> bool:
    return len(token) > 1 and token[0] == "-"


def _option_name(token: str) -> str:
    return token.lstrip("-").partition("=")[0]


def _similar(token: str) -> str:
    from pydml.signature import suggest

    hint = suggest(_option_name(token), _OPTIONS)
    return f" (did you mean {_dashed(hint.removeprefix('did you mean ').removesuffix('?'))}?)" if hint else ""


def _dashed(name: str) -> str:
    """An option as the help shows it."""
    return ("-" if len(name) == 1 or name in ("args", "nvargs") else "--") + name


def parse_arguments(argv: Sequence[str]) -> Options:
    """The options of a command line that runs a script.  Raises UsageError."""
    options = Options()
    tokens = _Tokens(argv)
    while tokens.more():
        token = tokens.take()
        if token == "--":
            continue
        if not _is_option(token):
            if options.file is not None or options.text is not None:
                raise UsageError(f"unexpected argument {token}; parameters of the script follow -args or -nvargs")
            options.file = token
            continue
        name, equals, value = token.lstrip("-").partition("=")
        handler = _OPTIONS.get(name)
        if handler is None:
            raise UsageError(f"there is no option {token}" + _similar(token))
        if equals and name not in ("nvargs", "args"):  # --seed=7
            tokens.argv.insert(tokens.position, value)
            before = tokens.position
            handler(options, tokens, _dashed(name))
            if tokens.position == before:
                raise UsageError(f"{_dashed(name)}: {value!r} is not a value for it")
        elif equals:
            raise UsageError(f"write {_dashed(name)} {value}, without =")
        else:
            handler(options, tokens, _dashed(name))
    if options.action == "run" and options.file is None and options.text is None:
        raise UsageError("which script?")
    return options


def _script_file(options: Options, tokens: _Tokens, option: str) -> None:
    _only_one(options, option)
    options.file = _value(tokens, option, "a file")


def _script_text(options: Options, tokens: _Tokens, option: str) -> None:
    _only_one(options, option)
    options.text = _value(tokens, option, "a DML text", any_text=True)


def _only_one(options: Options, option: str) -> None:
    if options.file is not None or options.text is not None:
        raise UsageError(f"{option}: a script has been given already")


def _value(tokens: _Tokens, option: str, what: str, any_text: bool = False) -> str:
    token = tokens.peek()
    if token is None or (not any_text and _is_option(token) and not _NUMBER.fullmatch(token)):
        raise UsageError(f"{option} needs {what}")
    return tokens.take()


def _number(tokens: _Tokens, option: str, least: int) -> int:
    text = _value(tokens, option, "a number")
    if not re.fullmatch(r"-?\d+", text, re.ASCII) or int(text) < least:
        raise UsageError(f"{option} needs a whole number from {least}, got {text}")
    return int(text)


def _choice(tokens: _Tokens, option: str, choices: Sequence[str]) -> str:
    text = _value(tokens, option, " or ".join(choices))
    if text not in choices:
        raise UsageError(f"{option} must be {' or '.join(choices)}, got {text}")
    return text


def _args(options: Options, tokens: _Tokens, option: str) -> None:
    values = tokens.values(option)
    if not values:
        raise UsageError(f"{option} needs at least one value")
    options.args += values


def _nvargs(options: Options, tokens: _Tokens, option: str) -> None:
    values = tokens.values(option)
    if not values:
        raise UsageError(f"{option} needs at least one NAME=VALUE")
    from pydml.values.convert import named_argument

    for token in values:
        named = named_argument(token)
        if named is None:
            raise UsageError(f"{option} needs NAME=VALUE, got {token}")
        name, value = named
        if name in options.nvargs:
            options.remarks.append(f"{option}: {name} is given twice; the last value counts")
        options.nvargs[name] = value


def _seed(options: Options, tokens: _Tokens, option: str) -> None:
    seed = _number(tokens, option, -1)
    options.seed = None if seed == -1 else seed


def _systemds_root(options: Options, tokens: _Tokens, option: str) -> None:
    options.systemds_root = _value(tokens, option, "a checkout of SystemDS, SystemDS.jar, or a folder that holds it")


def _stats(options: Options, tokens: _Tokens, option: str) -> None:
    token = tokens.peek()
    options.stats = int(tokens.take()) if token is not None and token.isascii() and token.isdecimal() else 10


def _explain(options: Options, tokens: _Tokens, option: str) -> None:
    token = tokens.peek()
    options.explain = STAGES[tokens.take()] if token in STAGES else "python"


_SIZE = re.compile(r"(\d+(?:\.\d+)?)([kmgt])i?b?", re.IGNORECASE)


def _memory(options: Options, tokens: _Tokens, option: str) -> None:
    match = _SIZE.fullmatch(tokens.peek() or "")
    if match is None:  # SystemDS has an option -mem without a value
        options.remarks.append(f"{option} without a size, such as 4g, has no effect: --stats shows the peak memory")
        return
    tokens.take()
    options.memory = int(float(match[1]) * 2 ** (10 * (1 + "kmgt".index(match[2].lower()))))
    if options.memory < 1:
        raise UsageError(f"{option} needs a size greater than 0")


def _exec(options: Options, tokens: _Tokens, option: str) -> None:
    mode = _choice(tokens, option, ("singlenode", "hybrid", "spark"))
    if mode != "singlenode":
        options.remarks.append(f"{option} {mode} has no effect: pydml runs in one process")


def _set(name: str, value: Any) -> Callable[[Options, _Tokens, str], None]:
    return lambda options, tokens, option: setattr(options, name, value)


def _number_option(name: str, least: int) -> Callable[[Options, _Tokens, str], None]:
    return lambda options, tokens, option: setattr(options, name, _number(tokens, option, least))


def _choice_option(name: str, choices: Sequence[str]) -> Callable[[Options, _Tokens, str], None]:
    return lambda options, tokens, option: setattr(options, name, _choice(tokens, option, choices))


def _without_effect(name: str) -> Callable[[Options, _Tokens, str], None]:
    count, reason = _WITHOUT_EFFECT[name]

    def handler(options: Options, tokens: _Tokens, option: str) -> None:
        taken = 0
        while (
            taken < count
            and (token := tokens.peek()) is not None
            and not _is_option(token)
            and not token.endswith(".dml")
        ):
            tokens.take()
            taken += 1
        options.remarks.append(f"-{name} has no effect: {reason}")

    return handler


def _impossible(name: str) -> Callable[[Options, _Tokens, str], None]:
    def handler(options: Options, tokens: _Tokens, option: str) -> None:
        raise UsageError(f"-{name}: {_IMPOSSIBLE[name]}")

    return handler


_OPTIONS: dict[str, Callable[[Options, _Tokens, str], None]] = {
    "f": _script_file,
    "file": _script_file,
    "e": _script_text,
    "s": _script_text,
    "args": _args,
    "nvargs": _nvargs,
    "path": lambda options, tokens, option: options.path.append(_value(tokens, option, "a folder")),
    "systemds-root": _systemds_root,
    "precision": _choice_option("precision", ("double", "single")),
    "threads": _number_option("threads", 1),
    "seed": _seed,
    "config": lambda options, tokens, option: setattr(options, "config", _value(tokens, option, "a file")),
    "mem": _memory,
    "conv": _choice_option("conv", ("fast", "exact")),
    "no-optimize": _set("optimized", False),
    "deterministic": _set("deterministic", True),
    "check": _set("check", True),
    "stats": _stats,
    "explain": _explain,
    "format": _choice_option("format", _FORMATS),
    "debug": _set("debug", True),
    "help": _set("action", "help"),
    "h": _set("action", "help"),
    "version": _set("action", "version"),
    "clean": _set("action", "clean"),
    "exec": _exec,
    **{name: _without_effect(name) for name in _WITHOUT_EFFECT},
    **{name: _impossible(name) for name in _IMPOSSIBLE},
}


# ---- running


def main(argv: Sequence[str]) -> int:
    """Run the command line `pydml ARGV`; returns the exit status."""
    # A line of output is seen at once, also through a pipe: training prints its progress for hours.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    # Python's default would end recursion in DML at a depth of about 900.  The compiler's own recursion, which goes through C,
    # stays within the stack at this limit.
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 10_000))
    from pydml.config import start_blas_single

    start_blas_single()
    try:
        status = _main(argv)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Nobody reads the output any more (`| head`).  Python must not meet the closed pipe again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:  # what the script reads and writes raises DMLError: this is standard output
        print(f"error[file]: cannot write the output: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _main(argv: Sequence[str]) -> int:
    if argv and argv[0] == "doc":
        from pydml.documentation import print_documentation

        return print_documentation(argv[1:])
    if argv and argv[0] == "explain":
        return _explain_ids(argv[1:])
    if argv and argv[0] == "data":
        from pydml.data.commands import main as data_main

        return data_main(argv[1:])
    if argv and argv[0] in ("plot", "report"):
        from pydml.plot.commands import plot_main, report_main

        return plot_main(argv[1:]) if argv[0] == "plot" else report_main(argv[1:])
    if argv and argv[0] == "estimate":
        from pydml.estimate import main as estimate_main

        return estimate_main(argv[1:])
    try:
        options = parse_arguments(argv)
    except UsageError as error:
        print(f"pydml: {error}\nTry pydml --help.", file=sys.stderr)
        return 2
    if options.action == "help":
        print(USAGE, end="")
        return 0
    if options.action == "version":
        from pydml import __version__

        print(f"pydml {__version__}")
        return 0
    if options.action == "clean":
        return _clean()
    for remark in options.remarks:
        print(f"warning[option]: {remark}", file=sys.stderr)
    try:
        return _run(options)
    except DMLError as error:
        original = error.__cause__
        if isinstance(original, OSError) and error.id == "internal":  # a closed or full standard output
            raise original from None
        return _report(error, options)
    except BrokenPipeError:
        raise
    except Exception as error:
        internal = internal_error(error)
        internal.__cause__ = error
        return _report(internal, options)


def _run(options: Options) -> int:
    collecting = gc.isenabled()
    gc.disable()  # nearly all objects of this part live until the end; looking for garbage took a tenth of the time to start
    try:
        script, executable = _compile(options)
    finally:
        if collecting:
            gc.freeze()
            gc.enable()
    if options.explain is not None and options.explain != "conv":
        print(executable.explain(options.explain).rstrip("\n"))
    if options.check:
        return 0
    if options.stats is not None:
        from pydml.execution.statistics import Statistics

        script.statistics = Statistics()
    if options.memory is not None:
        from pydml.values.storage import set_memory_limit

        set_memory_limit(options.memory)
    if script.config.threads is not None:  # for the process, also if these are more than it has cores
        from pydml.backends.cpu.threads import set_threads

        set_threads(script.config.threads)
    if options.conv == "exact":
        from pydml.backends.cpu import conv

        conv.set_exact(True)
    try:
        with script.running():
            executable.run(script.context(), {})
    finally:
        sys.stdout.flush()
        if options.explain == "conv":
            from pydml.backends.cpu import conv

            print("\n".join(conv.report() or ["no convolution was computed"]), file=sys.stderr)
        if script.statistics is not None:
            print(script.statistics.report(options.stats or 0), file=sys.stderr)
    return 0


def _compile(options: Options) -> tuple[Script, Executable]:
    """The script, ready to run.  Prints warnings."""
    from pydml.config import make_config
    from pydml.script import Script, keep_freed_memory
    from pydml.values.convert import parameter_values

    settings = _file_settings(options)
    config = make_config(
        precision=options.precision or settings.precision or "double",
        threads=options.threads or settings.threads,
        seed=options.seed,
        path=options.path,
        optimized=options.optimized and settings.optimized is not False,
        deterministic=options.deterministic,
        systemds_root=options.systemds_root,
    )
    keep_freed_memory()  # the process has no other work
    script = Script(_source(options, config), config=config)
    script.params.update(parameter_values(options.args, options.nvargs))
    stage = options.explain if options.explain != "conv" else None
    executable = script.executable(outputs=[], explain=stage is not None)
    for message in _unread(options, executable.used_params):
        warning = Diagnostic("unused-argument", message, severity="warning")
        _print_diagnostics(DMLError(warning), options.format)
    return script, executable


def _file_settings(options: Options) -> Any:
    """What the configuration file says; its remarks are printed."""
    from pydml.config_file import FileSettings, read_config_file

    if options.config is None:
        return FileSettings()
    settings = read_config_file(options.config)
    for remark in settings.remarks:
        print(f"warning[option]: {remark}", file=sys.stderr)
    return settings


def _clean() -> int:
    """-clean: SystemDS removes its working folders; pydml's only one is the cache."""
    from pydml import cache

    folder = cache.directory()
    files, size = cache.clear()
    print(f"removed {files} files ({size / 2**20:.1f} MiB) from {folder}" if folder else "there is no cache to clean")
    return 0


def _source(options: Options, config: Any) -> SourceFile:
    from pydml.script import load_source

    if options.text is not None:
        return SourceFile("<text>", options.text)
    if options.file == "-":
        return SourceFile("<stdin>", sys.stdin.read())
    from pathlib import Path

    return load_source(Path(options.file or ""), config.search)


def _unread(options: Options, used: set[str]) -> list[str]:
    """Remarks on parameters that the script does not mention."""
    from pydml.signature import suggest
    from pydml.values.convert import named_argument

    messages = []
    for position, text in enumerate(options.args, 1):
        named = named_argument(text)
        names = [str(position)] + ([named[0]] if named is not None else [])
        if not used.intersection(names):
            hint = suggest(named[0], used) if named is not None else ""
            messages.append(
                f"-args: the script does not read {' or '.join('$' + n for n in names)} ({text})"
                + (f"; {hint}" if hint else "")
            )
    for name, text in options.nvargs.items():
        if name not in used:
            hint = suggest(name, used)
            messages.append(
                f"-nvargs: the script does not read ${name} ({name}={text})" + (f"; {hint}" if hint else "")
            )
    return messages


# ---- errors


def _report(error: DMLError, options: Options) -> int:
    sys.stdout.flush()
    if options.debug:
        import traceback

        traceback.print_exception(error.__cause__ or error)
    _print_diagnostics(error, options.format)
    return 1


def _print_diagnostics(error: DMLError, form: str) -> None:
    from pydml.config import use_color
    from pydml.diagnostics.render import render_json, render_line, render_text

    if form == "json":
        print(render_json(error), file=sys.stderr)
        return
    if form == "line":
        texts = [render_line(d) for d in error.diagnostics]
    else:
        color = sys.stderr.isatty() and use_color()
        texts = [render_text(d, color) for d in error.diagnostics]
    for text in texts:
        print(text, file=sys.stderr)


def _explain_ids(names: Sequence[str]) -> int:
    from pydml.diagnostics.catalog import CATALOG
    from pydml.signature import suggest

    if not names:
        for id, (summary, _) in CATALOG.items():
            print(f"{id:20} {summary}")
        return 0
    for name in names:
        id = name.removeprefix("error[").removeprefix("warning[").removesuffix("]")
        if id not in CATALOG:
            hint = suggest(id, CATALOG)
            print(f"pydml explain: there is no diagnostic {id}" + (f"; {hint}" if hint else ""), file=sys.stderr)
            return 2
        summary, explanation = CATALOG[id]
        print(f"{id}: {summary}\n\n{explanation}")
    return 0


def script_main() -> None:
    """The console script `pydml`."""
    try:
        status = main(sys.argv[1:])
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)
