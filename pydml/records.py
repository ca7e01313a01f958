"""`dataclass` as the standard library has it, at a fifth of the time of import.

The standard decorator writes up to six methods of each class as text and compiles them, half a millisecond for a class; a run loads
sixty classes and makes instances of a third of them.  Here a constructor is compiled when the first instance is made, and the
other methods are functions that all classes share.  Used by all modules that a run loads.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, eq=True, kw_only=False, slots=False):
        """As `dataclasses.dataclass`; `fields`, `replace` and `field` of that module work with the classes."""
        if cls is None:
            return lambda cls: dataclass(cls, frozen=frozen, eq=eq, kw_only=kw_only, slots=slots)
        own = set(vars(cls))
        if "__eq__" in own and vars(cls)["__hash__"] is None:  # Python puts it there
            own.discard("__hash__")
        cls.__doc__ = cls.__doc__ or cls.__name__  # else the signature is looked up for it
        cls = dataclasses.dataclass(cls, init=False, repr=False, eq=False, kw_only=kw_only, slots=slots)
        methods = {"__init__": _first_init, "__repr__": _repr}
        if eq:
            compared = [f.name for f in dataclasses.fields(cls) if f.compare]
            several = len(compared) > 1
            cls.__compared__ = staticmethod(
                attrgetter(*compared) if several else lambda self: [getattr(self, n) for n in compared]
            )
            methods |= {"__eq__": _eq, "__hash__": _hash if frozen else None}
        if frozen:
            methods |= {"__setattr__": _no_assignment, "__delattr__": _no_deletion}
        for name, method in methods.items():
            if name not in own:
                setattr(cls, name, method)
        return cls


def _first_init(self: Any, *args: Any, **kwargs: Any) -> None:
    """The constructor of all classes at first: compiles that of the class, and calls it."""
    cls = next(c for c in type(self).__mro__ if "__init__" in vars(c))
    if vars(cls)["__init__"] is _first_init:
        cls.__init__ = _constructor(cls)  # type: ignore[misc]
    cls.__init__(self, *args, **kwargs)  # type: ignore[misc]


def _constructor(cls: Any) -> Any:
    """`def __init__(self, a, b=_default_b, *, c): self.a = a` and so on, as the standard decorator writes it."""
    assign = "_assign(self, {0!r}, {1})" if cls.__setattr__ is _no_assignment else "self.{0} = {1}"
    names: dict[str, Any] = {"_assign": object.__setattr__, "_made": _made}
    positional: list[str] = []
    keywords: list[str] = []
    body: list[str] = []
    for f in dataclasses.fields(cls):
        if not f.init:
            raise TypeError(f"{cls.__name__}.{f.name}: a field without init is not supported")
        parameter, value = f.name, f.name
        if f.default is not dataclasses.MISSING:
            names[f"_default_{f.name}"] = f.default
            parameter += f"=_default_{f.name}"
        elif f.default_factory is not dataclasses.MISSING:
            names[f"_make_{f.name}"] = f.default_factory
            parameter += "=_made"
            value = f"_make_{f.name}() if {f.name} is _made else {f.name}"
        (keywords if f.kw_only else positional).append(parameter)
        body.append(assign.format(f.name, value))
    if keywords:
        positional += ["*", *keywords]
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    exec(f"def __init__(self, {', '.join(positional)}):\n    " + "\n    ".join(body or ["pass"]), names)
    result = names["__init__"]
    result.__qualname__ = f"{cls.__qualname__}.__init__"
    return result


_made = object()  # stands for a default that is made anew for each instance


def _repr(self: Any) -> str:
    values = (f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self) if f.repr)
    return f"{type(self).__qualname__}({', '.join(values)})"


def _eq(self: Any, other: Any) -> Any:
    return self.__compared__(self) == self.__compared__(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(tuple(self.__compared__(self)))


def _no_assignment(self: Any, name: str, value: Any) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _no_deletion(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
