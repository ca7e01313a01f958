"""What long trainings need beside the mathematics: checkpoint and restore, setSeed, record.  SystemDS has none of them."""

from __future__ import annotations

from typing import Any

from pydml.builtins.registry import builtin
from pydml.diagnostics import fail
from pydml.values import List, to_dense, type_of
from pydml.values.arithmetic import to_int


@builtin("checkpoint(folder: string, state: list)", effects=["write"], storages="any")
def checkpoint(folder, state):
    """Save the state of a training, so that `restore` gives it back bit by bit.

    folder: made where it is missing; it holds the newest state only.  state: a list of matrices, scalars and lists of them, with or
    without names.  The new state replaces the old one in a single step: a process that is killed at any moment leaves the one or the
    other.  Raises "file" where the system refuses.
    """
    from pydml.io.checkpoints import write_checkpoint
    from pydml.io.paths import local_path

    write_checkpoint(local_path(folder), state)


checkpoint.fails('checkpoint("", list(1))', "file", "the name of the file is empty")
checkpoint.fails('checkpoint("x", 1)', "argument-type", "state must be a list")


@builtin("restore(folder: string) -> list", needs="context", effects=["read"], storages="any")
def restore(ctx, folder):
    """The state that `checkpoint` saved last, or an empty list where there is none.

    folder: that of `checkpoint`.  Typical use: `state = restore(folder)`, then `if (length(state) > 0) { ... state["model"] ... }`.
    Raises "data-format" for a damaged file.
    """
    from pydml.io.checkpoints import read_checkpoint
    from pydml.io.paths import local_path

    return read_checkpoint(local_path(folder), ctx.dtype)


restore.case('length(restore("no/such/checkpoint"))', "0")


@builtin("setSeed(seed: number)", needs="context", effects=["seed"])
def setSeed(ctx, seed):
    """Start the run's own stream of random numbers again, from `seed`.

    Calls of `rand`, `sample` and dropout that give no seed (or -1) draw from that stream.  With a seed that follows from the number
    of the step, a training that was resumed draws the same numbers as one that went through.  In a `parfor` body it concerns the
    iteration alone.
    """
    ctx.random.restart(to_int(seed))


setSeed.fails('setSeed("a")', "argument-type", "seed must be a number")


@builtin(
    "record(folder: string, program: string = '', arguments: list = NULL, summary: list = NULL, curve: matrix = NULL, "
    "columns: string = '', epochs: matrix = NULL, epoch_columns: string = '')",
    effects=["write"],
    storages="any",
)
def record(folder, program, arguments, summary, curve, columns, epochs, epoch_columns):
    """Write the record of a training run, which `pydml plot` and `pydml report` show.

    folder: made where it is missing; files of an older record are replaced, each as a whole.  program: what ran.  arguments, summary:
    lists of scalars with names.  curve: a row per update, (updates, n); columns: its n names, with blanks between them; `step`, `loss`
    and `rate` are drawn, and columns `trust_NAME` as the local rates of LARS.  epochs: a row per epoch, (epochs, m); epoch_columns: its
    names, such as `epoch loss validation_loss top1 top5 images_per_second`.  The versions of pydml, Python and NumPy are added.
    """
    from pydml.io.paths import local_path
    from pydml.io.run_records import write_record

    write_record(
        local_path(folder),
        program=program,
        arguments=_scalars("arguments", arguments),
        summary=_scalars("summary", summary),
        curve=_table("curve", curve, "columns", columns),
        epochs=_table("epochs", epochs, "epoch_columns", epoch_columns),
    )


def _scalars(what: str, values: List | None) -> dict[str, Any]:
    if values is None or len(values) == 0:
        return {}
    named: dict[str, Any] = {}
    for name, value in zip(values.names or [None] * len(values), values, strict=True):
        if name is None or not isinstance(value, (bool, int, float, str)):
            fail("argument-type", f"record: {what} must be a list of scalars with names, got {type_of(value)}")
        named[name] = value
    return named


def _table(what: str, cells: Any, names_of: str, names: str) -> tuple[list[str], Any] | None:
    if cells is None:
        return None
    words = names.split()
    if len(words) != cells.shape[1]:
        fail("value", f"record: {names_of} has {len(words)} names, {what} has {cells.shape[1]} columns")
    if len(set(words)) != len(words):
        fail("value", f"record: {names_of} has a name twice")
    return words, to_dense(cells).tolist()


record.fails('record("x", curve=matrix(1, rows=1, cols=2), columns="a")', "value", "columns has 1 names, curve has 2")
record.fails('record("x", arguments=list(1))', "argument-type", "a list of scalars with names")
