"""`records.dataclass` makes the same classes as the standard decorator."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
from dataclasses import field

import pytest

from pydml import records


def classes(dataclass):
    @dataclass
    class Plain:
        a: int
        b: list[int] = field(default_factory=list)
        c: str = "c"

    @dataclass(frozen=True, kw_only=True)
    class Base:
        place: int = field(compare=False, repr=False)

    class Kind(Base):
        pass

    @dataclass(frozen=True)
    class Derived(Kind):
        x: float
        y: tuple[int, ...] = ()
        note: str = field(default="", compare=False)

    @dataclass(frozen=True)
    class One:
        x: float

    @dataclass(frozen=True)
    class Nothing:
        pass

    @dataclass(slots=True, eq=False)
    class Slots:
        a: int
        b: dict[str, int] = field(default_factory=dict)

    @dataclass(frozen=True, eq=False)
    class Own:
        a: int

        def __eq__(self, other):
            return True

        def __hash__(self):
            return 7

    @dataclass
    class Checked:
        a: int
        b: int = 2

        def __post_init__(self):
            self.b += self.a

        def __repr__(self):
            return "checked"

    return Plain, Derived, One, Nothing, Slots, Own, Checked


CALLS = [
    (0, (1,), {}),
    (0, (1, [2], "d"), {}),
    (0, (1,), {"c": "e"}),
    (1, (1.5,), {"place": 3}),
    (1, (1.5, (1, 2)), {"place": 4, "note": "n"}),
    (1, (math.nan,), {"place": 4}),
    (2, (1,), {}),
    (2, (math.nan,), {}),
    (3, (), {}),
    (4, (1,), {}),
    (4, (1, {"a": 1}), {}),
    (5, (1,), {}),
    (6, (1,), {}),
    (6, (1, 5), {}),
    # mistakes
    (0, (), {}),
    (0, (1, 2, 3, 4), {}),
    (1, (1.5,), {}),
    (1, (1.5, (), "n", 3), {}),
    (3, (1,), {}),
]


def attempt(function):
    try:
        return function()
    except Exception as error:
        return type(error), str(error)


def described(dataclass):
    """What instances show of themselves, alone and in pairs."""
    kinds = classes(dataclass)
    found, made = [], []
    for kind, args, kwargs in CALLS:
        instance = attempt(lambda kind=kind, args=args, kwargs=kwargs: kinds[kind](*args, **kwargs))
        found.append(repr(instance).replace(dataclass.__module__, ""))
        if dataclasses.is_dataclass(instance):
            made.append(instance)
    for x in made:
        names = [f.name for f in dataclasses.fields(x)]
        found.append((names, type(x).__match_args__, [getattr(x, n) for n in names]))
        found.append(repr(copy.copy(x)))
        found.append([attempt(lambda x=x, y=y: x == y) for y in made])
        hashed = attempt(lambda x=x: hash(x) == hash(copy.copy(x)))
        found.append(hashed if type(x).__hash__ is not object.__hash__ else "by identity")
        if names:
            changed = attempt(lambda x=x, n=names[0]: repr(dataclasses.replace(x, **{n: 9})))
            found.append(changed)
            found.append(attempt(lambda x=x, n=names[0]: setattr(x, n, 8)))
            found.append(attempt(lambda x=x, n=names[0]: delattr(x, n)))
        found.append(attempt(lambda x=x: setattr(x, "another", 1)) is None)
    return found


def test_as_the_standard_decorator():
    for ours, wanted in zip(described(records.dataclass), described(dataclasses.dataclass), strict=True):
        assert repr(ours) == repr(wanted)


@records.dataclass(frozen=True)
class Kept:
    a: int
    b: list[int] = field(default_factory=list)


def test_pickles_are_read_before_any_instance_was_made():
    text = pickle.dumps(Kept(1, [2])).replace(b"Kept", b"Late")
    with pytest.raises(AttributeError):
        pickle.loads(text)
    globals()["Late"] = records.dataclass(type("Late", (), {"__annotations__": {"a": int, "b": list}}), frozen=True)
    late = pickle.loads(text)
    assert (late.a, late.b) == (1, [2]) and late == globals()["Late"](1, [2])


def test_a_default_is_made_for_each_instance():
    first, second = Kept(1), Kept(1)
    assert first.b is not second.b
