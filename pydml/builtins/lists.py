"""Lists: remove.

`list` is in `construct.py`, indexing in `indexing.py`, `append`, `cbind` and `rbind` in `reorg.py`.
"""

from __future__ import annotations

from pydml.builtins.indexing import _list_range, index_type
from pydml.builtins.registry import builtin
from pydml.types import ANY_LIST, Type
from pydml.values import List

_NULL = Type("null")


def _remove_types(X: Type, i: Type) -> tuple[Type, Type]:
    index_type(X, i, i, _NULL, _NULL)
    rest = None if X.rows is None else X.rows - 1
    return ANY_LIST._replace(rows=rest, cols=1), ANY_LIST._replace(rows=1, cols=1)


@builtin("remove(X: list, i: number|string) -> rest: list, removed: list", infer=_remove_types, storages="any")
def remove(X, i):
    """The list without its element i, and a list of that element alone: [rest, removed] = remove(X, i).

    i: the place, from 1, or a name.  Same as SystemDS `remove`, which takes no names.
    """
    low, high = _list_range(X, i, i)
    names = X.names if X.names is not None else (None,) * len(X)
    items = X.items
    rest = List(items[:low] + items[high:], names[:low] + names[high:])
    return rest, X.part(low, high)


remove.fails("remove(list(1, 2), 3)", "index", "[3] is outside of the list of 2 elements")
remove.fails('remove(list(a=1), "b")', "index", "no element called 'b'")
remove.fails("remove(matrix(1, rows=1, cols=1), 1)", "argument-type", "X must be a list")
