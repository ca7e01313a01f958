"""Data-parallel training: paramserv, a parameter server with k workers.

A worker holds a part of the rows.  Over and over it takes the model from the server, computes gradients of one or more batches by
the script's function `upd`, and gives them back; the server makes a new model of them by the script's function `agg`.  `utype` says when:

    BSP   when all workers have given theirs; they are added in the order of the workers, so the result is always the same
    SBP   when all but num_backup_workers have; who comes later counts in the next round
    ASP   at once, in the order in which they come

`Server` decides who works next, and never waits for a certain thread: a slot (`work`) takes whichever worker is ready.  So any number of
slots does, one too; the meaning runs one slot, `backends.cpu.paramserv` one for each worker on the threads of the pool.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from pydml.builtins.registry import builtin, get
from pydml.diagnostics import DMLError, fail
from pydml.io.load import read_value
from pydml.io.save import write_value
from pydml.records import dataclass
from pydml.signature import article, suggest
from pydml.types import ANY_LIST, Type
from pydml.values import List, Sparse, is_matrix, type_of
from pydml.values.text import scalar_text

_CHOICES = {
    "mode": ("LOCAL",),
    "utype": ("BSP", "ASP", "SBP"),
    "freq": ("EPOCH", "BATCH", "NBATCHES"),
    "scheme": ("DISJOINT_CONTIGUOUS", "DISJOINT_ROUND_ROBIN", "DISJOINT_RANDOM", "OVERLAP_RESHUFFLE"),
    "checkpointing": ("NONE", "EPOCH", "EPOCH10"),
    "runtime_balancing": ("NONE",),
    "weighting": (False,),
    "he": (False,),
}
# what SystemDS has for several machines
_ELSEWHERE = {
    "mode": {"REMOTE_SPARK": "a Spark cluster", "FEDERATED": "federated sites"},
    "utype": {"SSP": "bounded staleness, which SystemDS 3.4.0 only declares"},
    "runtime_balancing": dict.fromkeys(
        ("BASELINE", "CYCLE_MIN", "CYCLE_AVG", "CYCLE_MAX", "SCALE_BATCH"), "federated sites"
    ),
    "weighting": {True: "federated sites"},
    "he": {True: "federated sites"},
}
_FEDERATED_SCHEMES = ("KEEP_DATA_ON_WORKER", "SHUFFLE", "REPLICATE_TO_MAX", "SUBSAMPLE_TO_MIN", "BALANCE_TO_AVG")
_AT_LEAST = {"epochs": 1, "batchsize": 1, "k": 1, "nbatches": 1, "num_backup_workers": 0}


def _check_choice(name: str, value: Any) -> None:
    if value in _CHOICES[name]:
        return
    if name == "scheme" and value in _FEDERATED_SCHEMES:
        fail("not-supported", f'paramserv: the scheme "{value}" is one for federated sites; pydml runs on one machine')
    shown = f'"{value}"' if isinstance(value, str) else scalar_text(value)
    if value in _ELSEWHERE.get(name, {}):
        use = _ELSEWHERE[name][value]
        one_machine = "" if name == "utype" else "; pydml runs on one machine"
        first = _CHOICES[name][0]
        fail(
            "not-supported",
            f"paramserv: {name}={shown} is for {use}{one_machine}",
            help=f'use {name}="{first}"' if isinstance(first, str) else f"leave {name} out",
        )
    known = _CHOICES[name]
    fail(
        "value",
        f"paramserv: there is no {name} {shown}",
        help=suggest(str(value), known) or f"known are {', '.join(known)}",
    )


def _check_number(name: str, value: Any) -> None:
    if value < _AT_LEAST[name]:
        fail("value", f"paramserv: {name} must be at least {_AT_LEAST[name]}, got {value}")


def _paramserv_type(*types: Type) -> Type:
    given = dict(zip(NAMES, types, strict=True))
    for name in _CHOICES:
        if given[name].const is not None:
            _check_choice(name, given[name].const)
    for name in _AT_LEAST:
        if type(given[name].const) is int:
            _check_number(name, given[name].const)
    if given["modelAvg"].const is True and given["utype"].const == "ASP":
        fail(
            "value",
            'paramserv: modelAvg=TRUE needs utype="BSP" or "SBP"',
            help="ASP has no models that could be averaged",
        )
    X, Y = given["features"], given["labels"]
    if None not in (X.rows, Y.rows) and X.rows != Y.rows:
        fail("shape-mismatch", f"paramserv: features has {X.rows} rows, labels {Y.rows}")
    if X.rows == 0:
        fail("value", "paramserv: features has no rows")
    return ANY_LIST._replace(rows=given["model"].rows, cols=1)


@builtin(
    "paramserv(model: list, features: matrix, labels: matrix, upd: string, agg: string, epochs: int, "
    "val_features: matrix = NULL, val_labels: matrix = NULL, val: string = NULL, mode: string = 'LOCAL', "
    "utype: string = 'ASP', freq: string = 'EPOCH', batchsize: int = 64, k: int = NULL, "
    "scheme: string = 'DISJOINT_CONTIGUOUS', hyperparams: list = NULL, checkpointing: string = 'NONE', "
    "checkpoint_dir: string = NULL, seed: int = -1, nbatches: int = 1, modelAvg: boolean = FALSE, "
    "num_backup_workers: int = 1, runtime_balancing: string = 'NONE', weighting: boolean = FALSE, he: boolean = FALSE) -> list",
    infer=_paramserv_type,
    needs="context",
    effects=("call", "print", "write"),
    storages="any",
)
def paramserv(context: Any, *args: Any) -> List:
    """The model after training on k workers, each on its own rows.

    model: a list of matrices and numbers.  features, labels: one row for each sample.  The functions are given by name, those of
    imported files as `namespace::name` or `path::name`; arguments are bound by their names:

      upd(list model, list hyperparams, matrix features, matrix labels) return (list gradients)
      agg(list model, list hyperparams, list gradients) return (list model)
      val(list model, list hyperparams, matrix val_features, matrix val_labels) return (double loss, double accuracy)

    utype: when the server calls agg.  BSP: once all workers have given their gradients, with the sum of them; SBP: without waiting for the
    last num_backup_workers; ASP: for each worker as it comes.  BSP gives the same result in each run, for any number of threads; ASP
    and SBP do so with one worker (k=1) or one thread only.
    freq: how often a worker gives its gradients, the sum of those of its batches.  BATCH: after each batch; NBATCHES: after nbatches
    batches and at the end of an epoch; EPOCH: once per epoch.  Between them the worker goes on with a model of its own.
    batchsize: rows of a batch, taken in order; the last one of an epoch may have less.
    k: the number of workers; each has one thread.  Default: the threads of the run.
    scheme: the rows of a worker.  DISJOINT_CONTIGUOUS: blocks of ceil(n/k) rows; DISJOINT_ROUND_ROBIN: row i goes to worker i modulo k;
    DISJOINT_RANDOM: blocks of permuted rows; OVERLAP_RESHUFFLE: all rows, in another order for each worker.  seed: of these orders.
    modelAvg: workers call agg themselves and give models, which the server averages.
    val, val_features, val_labels: after each epoch, one line with loss and accuracy is written to standard error.
    checkpointing: EPOCH or EPOCH10 save the model after each or each tenth epoch (and the last one) in checkpoint_dir, whole or not at all.
    A later call with the same settings goes on from there (epochs may grow): with BSP to the model of a run without interruption,
    unless upd draws random numbers and the runs have no common seed.  The folder may also be given by
    hyperparams=list(checkpoint_dir="..."), which SystemDS passes over.

    Workers that run out of rows are not waited for, where SystemDS waits forever.  As SystemDS `paramserv` in mode LOCAL; the
    rest (mode REMOTE_SPARK, FEDERATED; utype SSP; weighting, runtime_balancing, he) is refused.
    """
    return train(context, dict(zip(NAMES, args, strict=True)), threads=1, run=lambda work, count: work())


NAMES = tuple(p.name for p in paramserv.signature.params)

paramserv.fails(
    'paramserv(model=list(1), features=matrix(1, 2, 1), labels=matrix(1, 2, 1), upd="f", agg="g", epochs=1, mode="REMOTE_SPARK")',
    "not-supported",
    "a Spark cluster",
)
paramserv.fails(
    'paramserv(model=list(1), features=matrix(1, 2, 1), labels=matrix(1, 3, 1), upd="f", agg="g", epochs=1)',
    "shape-mismatch",
    "features has 2 rows, labels 3",
)
paramserv.fails(
    'paramserv(model=list(1), features=matrix(1, 2, 1), labels=matrix(1, 2, 1), upd="f", agg="g", epochs=1)',
    "undefined-function",
    "upd: there is no function f",
)
paramserv.fails(
    'paramserv(model=list(1), features=matrix(1, 2, 1), labels=matrix(1, 2, 1), upd="f", agg="g", epochs=1.5)',
    "argument-type",
    "epochs must be an int",
)


def train(context: Any, options: dict[str, Any], threads: int, run: Callable[[Callable[[], None], int], None]) -> List:
    """Check the arguments, train, and return the model.

    threads: how many workers there are where k is not given.  run(work, count) calls work() up to count times at once, at least
    once; each call returns when training is over.
    """
    for name in _CHOICES:
        _check_choice(name, options[name])
    options["k"] = options["k"] or threads
    options["hyperparams"] = options["hyperparams"] or List([])
    context.random.next_seed()  # another call draws other numbers
    functions = {name: _function(context, name, options[name]) for name in ("upd", "agg", "val") if options[name]}
    if ("val" in functions) != (options["val_features"] is not None and options["val_labels"] is not None):
        fail("call", "paramserv: val, val_features and val_labels are given together or not at all")
    checkpoint = _Checkpoint.of(options, context)
    model, epoch, seed = options["model"], 0, _whole_seed(context.random.resolve(options["seed"]))
    if checkpoint is not None:
        model, epoch, seed = checkpoint.load(model, seed, given=options["seed"] != -1)
    if epoch >= options["epochs"]:
        return model
    server = Server(context, options, functions, model, epoch, seed, checkpoint)
    run(server.work, len(server.workers))
    if server.error is not None:
        raise server.error
    return server.model


def _whole_seed(seed: int) -> int:
    """The seed as an int of DML."""
    return seed & (2**63 - 1)


# ---- the functions of the script


@dataclass
class _Function:
    """A function of the script: called with those of the values that it has parameters for."""

    role: str
    info: Any

    def __call__(self, context: Any, **values: Any) -> tuple[Any, ...]:
        names = {p.name for p in self.info.signature.params}
        return self.info.call(context, [], [(n, v) for n, v in values.items() if n in names])

    def list(self, context: Any, **values: Any) -> List:
        result = self(context, **values)
        if not result or type(result[0]) is not List:
            found = article(str(type_of(result[0]))) if result else "nothing"
            fail("type", f"paramserv: {self.role}: {self.info.name} must return a list, got {found}")
        return result[0]


def _function(context: Any, role: str, name: str) -> _Function:
    try:
        return _Function(role, context.functions(name))
    except DMLError as error:
        diagnostic = error.diagnostics[0]
        fail(diagnostic.id, f"paramserv: {role}: {diagnostic.message}", help=diagnostic.help)


# ---- sums and means of models and gradients


def _combine(left: Any, right: Any) -> Any:
    """The sum of two models, element by element."""
    if type(left) is List:
        if type(right) is not List or len(left) != len(right):
            fail("shape-mismatch", "paramserv: the workers give lists of different lengths")
        return List([_combine(a, b) for a, b in zip(left, right, strict=True)], left.names)
    return get("+")(left, right)


def _scaled(model: Any, weight: float) -> Any:
    if type(model) is List:
        return List([_scaled(item, weight) for item in model], model.names)
    return get("*")(model, weight)


# ---- workers


class Worker:
    """The rows of one worker and how far it has come.

    batches: half-open ranges of rows.  groups: the batches between two pushes, for one epoch.
    """

    def __init__(
        self, index: int, features: Any, labels: Any, batchsize: int, batches_per_push: int | None, epoch: int
    ):
        self.index = index
        self.features = features
        self.labels = labels
        rows = features.shape[0]
        batches = [(start, min(start + batchsize, rows)) for start in range(0, rows, batchsize)]
        size = batches_per_push or len(batches)
        self.groups = [batches[i : i + size] for i in range(0, len(batches), size)]
        self.epoch = epoch  # whole epochs done
        self.round = 0  # pushes in this epoch
        self.context: Any = None

    def batch(self, start: int, stop: int) -> tuple[Any, Any]:
        if stop - start == self.features.shape[0]:
            return self.features, self.labels
        return _rows(self.features, start, stop), _rows(self.labels, start, stop)


def _rows_of_workers(scheme: str, rows: int, k: int, seed: int) -> list[np.ndarray]:
    """The 0-based rows of each worker that has any."""

    def permuted(number: int) -> np.ndarray:
        return np.random.Generator(np.random.Philox(key=[seed, number])).permutation(rows)

    if scheme == "OVERLAP_RESHUFFLE":
        return [permuted(i) for i in range(k)]
    if scheme == "DISJOINT_ROUND_ROBIN":
        return [np.arange(i, rows, k) for i in range(min(k, rows))]
    order = permuted(0) if scheme == "DISJOINT_RANDOM" else np.arange(rows)
    size = -(-rows // k)
    return [order[start : start + size] for start in range(0, rows, size)]


def _rows(X: Any, start: int, stop: int) -> Any:
    """Rows start to stop - 1 of X, from 0."""
    return get("[]").run(X, start + 1, stop, None, None)


def _take(X: Any, rows: np.ndarray) -> Any:
    """The rows of X; a view where they are consecutive."""
    if len(rows) == rows[-1] - rows[0] + 1 and bool((np.diff(rows) == 1).all()):
        return _rows(X, int(rows[0]), int(rows[-1]) + 1)
    if type(X) is Sparse:
        return Sparse(X.csr[rows])
    return X[rows]


# ---- the server


class Server:
    """The model, and which worker may go on.  All of its state is guarded by `condition`."""

    def __init__(
        self,
        context: Any,
        options: dict[str, Any],
        functions: dict[str, _Function],
        model: List,
        epoch: int,
        seed: int,
        checkpoint: _Checkpoint | None,
    ):
        self.context = context
        self.options = options
        self.functions = functions
        self.model = model
        self.epoch = epoch  # all workers have done so many
        self.checkpoint = checkpoint
        self.hyperparams = options["hyperparams"]
        self.averaging: bool = options["modelAvg"]
        self.utype: str = options["utype"]
        per_push = {"BATCH": 1, "NBATCHES": options["nbatches"], "EPOCH": None}[options["freq"]]
        features, labels = options["features"], options["labels"]
        self.workers = [
            Worker(i, _take(features, rows), _take(labels, rows), options["batchsize"], per_push, epoch)
            for i, rows in enumerate(_rows_of_workers(options["scheme"], features.shape[0], options["k"], seed))
        ]
        self.ready: deque[Worker] = deque()
        self.waiting: dict[int, Worker] = {}  # of BSP: those that are ahead of the others
        self.pushed: dict[int, tuple[Worker, List]] = {}
        self.busy = 0
        self.error: BaseException | None = None
        self.condition = threading.Condition()
        self.server_context = context.fork(-1 - epoch)
        for worker in self.workers:
            self._ready(worker)

    # -- slots

    def work(self) -> None:
        """Let workers go on until training is over.  Runs in several threads at once."""
        try:
            while (job := self._next()) is not None:
                result = self._compute(*job)
                with self.condition:
                    self.busy -= 1
                    self._receive(job[0], result)
                    self.condition.notify_all()
        except BaseException as error:
            with self.condition:
                self.error = self.error or error
                self.condition.notify_all()

    def _next(self) -> tuple[Worker, List] | None:
        with self.condition:
            while not self.ready and self.busy and self.error is None:
                self.condition.wait()
            if self.error is not None or not self.ready:
                return None
            self.busy += 1
            return self.ready.popleft(), self.model

    def _compute(self, worker: Worker, model: List) -> List:
        """What the worker pushes next: the sum of its gradients, or its model."""
        upd, agg = self.functions["upd"], self.functions["agg"]
        total: Any = None
        group = worker.groups[worker.round]
        for batch in group:
            features, labels = worker.batch(*batch)
            values = {"model": model, "hyperparams": self.hyperparams, "features": features, "labels": labels}
            gradients = upd.list(worker.context, **values)
            if not self.averaging:
                total = gradients if total is None else _combine(total, gradients)
            if self.averaging or batch is not group[-1]:
                values = {"model": model, "hyperparams": self.hyperparams, "gradients": gradients}
                model = agg.list(worker.context, **values)
        return model if self.averaging else total

    # -- under the condition

    def _ready(self, worker: Worker) -> None:
        """Let the worker go on, if it has anything to do; with BSP, not before the others have done this epoch too."""
        if worker.epoch >= self.options["epochs"]:
            return
        if self.utype == "BSP" and worker.epoch > self.epoch:
            self.waiting[worker.index] = worker
            return
        if worker.round == 0:
            worker.context = self.context.fork(worker.epoch * len(self.workers) + worker.index)
        self.ready.append(worker)

    def _receive(self, worker: Worker, result: List) -> None:
        worker.round += 1
        if worker.round == len(worker.groups):
            worker.round = 0
            worker.epoch += 1
        if self.utype == "ASP":
            self._aggregate(result)
            self._after_update([worker])
            return
        self.pushed[worker.index] = worker, result
        if len(self.pushed) >= self._needed():
            workers, results = zip(*(self.pushed[i] for i in sorted(self.pushed)), strict=True)
            self.pushed.clear()
            if self.averaging:
                results = tuple(_scaled(model, 1 / len(results)) for model in results)
            total = results[0]
            for other in results[1:]:
                total = _combine(total, other)
            if self.averaging:
                self.model = total
            else:
                self._aggregate(total)
            self._after_update(workers)

    def _needed(self) -> int:
        """How many workers must have pushed for an update: of those that are at work or have pushed."""
        present = self.busy + len(self.ready) + len(self.pushed)
        if self.utype == "BSP":
            return present
        return min(present, max(1, len(self.workers) - self.options["num_backup_workers"]))

    def _aggregate(self, gradients: List) -> None:
        agg = self.functions["agg"]
        self.model = agg.list(self.server_context, model=self.model, hyperparams=self.hyperparams, gradients=gradients)

    def _after_update(self, workers: Any) -> None:
        done = min(w.epoch for w in self.workers)
        while self.epoch < done:
            self.epoch += 1
            self.server_context = self.context.fork(-1 - self.epoch)
            self._end_of_epoch()
        for worker in workers:
            self._ready(worker)
        ahead = [w for w in self.waiting.values() if w.epoch <= self.epoch]
        for worker in sorted(ahead, key=lambda w: w.index):
            del self.waiting[worker.index]
            self._ready(worker)
        self.ready = deque(sorted(self.ready, key=lambda w: w.index)) if self.utype == "BSP" else self.ready

    def _end_of_epoch(self) -> None:
        if "val" in self.functions:
            result = self.functions["val"](
                self.server_context,
                model=self.model,
                hyperparams=self.hyperparams,
                val_features=self.options["val_features"],
                val_labels=self.options["val_labels"],
            )
            names = ("loss", "accuracy")
            if len(result) != 2 or any(isinstance(v, (List, str)) or is_matrix(v) for v in result):
                fail("type", "paramserv: val must return two numbers, the loss and the accuracy")
            texts = [f"validation {n} {scalar_text(float(v))}" for n, v in zip(names, result, strict=True)]
            self.context.warn(f"paramserv: epoch {self.epoch}: {', '.join(texts)}")
        if self.checkpoint is not None:
            self.checkpoint.epoch_done(self.model, self.epoch)


# ---- checkpoints


class _Checkpoint:
    """The list in checkpoint_dir/checkpoint: model, epoch, seed of the orders of rows, and the settings that must not change."""

    def __init__(self, folder: str, every: int, epochs: int, settings: str, context: Any):
        self.path = os.path.join(folder, "checkpoint")
        self.every = every
        self.epochs = epochs
        self.settings = settings
        self.seed = -1
        self.context = context

    @classmethod
    def of(cls, options: dict[str, Any], context: Any) -> _Checkpoint | None:
        """That of a call; None if it asks for none."""
        if options["checkpointing"] == "NONE":
            return None
        folder, hyperparams = options["checkpoint_dir"], options["hyperparams"]
        position = hyperparams.position("checkpoint_dir")
        if folder is None and position >= 0:
            folder = hyperparams[position]
        if folder is None:
            context.warn(
                f'paramserv: checkpointing="{options["checkpointing"]}" without checkpoint_dir="FOLDER": nothing is saved'
            )
            return None
        if not isinstance(folder, str):
            fail("argument-type", f"paramserv: checkpoint_dir must be a string, got {article(str(type_of(folder)))}")
        names = ("utype", "freq", "batchsize", "k", "scheme", "nbatches", "modelAvg", "num_backup_workers")
        settings = ", ".join(f"{n}={scalar_text(options[n])}" for n in names)
        settings += f", features {options['features'].shape[0]} x {options['features'].shape[1]}"
        return cls(folder, 1 if options["checkpointing"] == "EPOCH" else 10, options["epochs"], settings, context)

    def load(self, model: List, seed: int, given: bool) -> tuple[List, int, int]:
        """Model, whole epochs and seed to go on with: those of the checkpoint if there is one.  given: the script names the seed."""
        self.seed = seed
        if not os.path.exists(self.path):
            return model, 0, seed
        saved = read_value(self.path, {"data_type": "list"}, self.context.dtype)
        values = dict(zip(saved.names or (), saved.items, strict=False))
        if set(values) != {"model", "epoch", "seed", "settings"} or type(values["model"]) is not List:
            fail("data-format", f"paramserv: {self.path} is not a checkpoint")
        differences = [f"it was made with {values['settings']}", f"this call has {self.settings}"]
        if values["settings"] != self.settings:
            fail(
                "value",
                f"paramserv: the checkpoint {self.path} belongs to another training",
                notes=differences,
                help="remove it, or give another checkpoint_dir",
            )
        if _shape(values["model"]) != _shape(model):
            fail(
                "value",
                f"paramserv: the checkpoint {self.path} holds a model of another size or other names",
                help="remove it, or give another checkpoint_dir",
            )
        if given and seed != values["seed"]:
            fail("value", f"paramserv: the checkpoint {self.path} was made with another seed")
        self.context.warn(f"paramserv: {self.path}: going on after epoch {values['epoch']}")
        self.seed = values["seed"]
        return List(values["model"].items, model.names), values["epoch"], self.seed

    def epoch_done(self, model: List, epoch: int) -> None:
        if epoch % self.every and epoch != self.epochs:
            return
        items = [model, epoch, self.seed, self.settings]
        write_value(List(items, ["model", "epoch", "seed", "settings"]), self.path, {"format": "binary"})


def _shape(value: Any) -> Any:
    if type(value) is List:
        return [_shape(item) for item in value], value.names
    return value.shape if is_matrix(value) else "scalar"
