"""Which variables are still needed after each statement.

`Liveness.after[statement]` is the set of variables whose value at that point may be read later.  With `has_effects`, a
statement that has none and whose results are not needed does not count as a reader, so that a variable that only feeds
itself in a loop is dead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pydml.ir.program import Call, For, If, Op, ParFor, While, reads, writes


class Liveness:
    """Backward analysis of one function body.

    after: variables live after a statement.  before_block: live at the start of a block, keyed by id of the list.
    """

    def __init__(
        self, body: list[Any], live_out: Iterable[str], has_effects: Callable[[Op | Call], bool] | None = None
    ):
        self.has_effects = has_effects
        self.after: dict[Any, frozenset[str]] = {}
        self.before_block: dict[int, frozenset[str]] = {}
        self._block(body, frozenset(live_out))

    def _block(self, block: list[Any], live: frozenset[str]) -> frozenset[str]:
        for statement in reversed(block):
            self.after[statement] = live
            live = self._statement(statement, live)
        self.before_block[id(block)] = live
        return live

    def _statement(self, s: Any, live: frozenset[str]) -> frozenset[str]:
        if isinstance(s, (Op, Call)):
            if self.has_effects is not None and not (writes(s) & live) and not self.has_effects(s):
                return live
            return (live - writes(s)) | reads(s)
        if isinstance(s, If):
            return self._block(s.then, live) | self._block(s.orelse, live) | reads(s)
        if isinstance(s, While):
            state = live
            while True:
                body = self._block(s.body, state)
                new = self._block(s.test, live | body | reads(s))
                if new <= state:
                    return new
                state = state | new
        assert isinstance(s, (For, ParFor))
        state = live
        while True:
            body = self._block(s.body, state) - {s.variable}
            if body <= state:
                break
            state = state | body
        # no iteration at all: what was there before stays; parfor results are read and merged
        kept = frozenset(s.results) if isinstance(s, ParFor) else frozenset()
        return state | reads(s) | kept
