"""Lists are values, although appended ones share memory."""

import pytest

from pydml.values.list import List


def test_appending_leaves_the_list_as_it_was():
    first = List([1, 2])
    second = first.appended(3)
    third = first.appended(4, "d")
    fourth = second.appended(5, "e")
    assert (list(first), list(second), list(third), list(fourth)) == ([1, 2], [1, 2, 3], [1, 2, 4], [1, 2, 3, 5])
    assert first.names is second.names is None
    assert third.names == (None, None, "d")
    assert fourth.names == (None, None, None, "e")
    assert fourth.appended(6).names == (None, None, None, "e", None)
    assert fourth.names == (None, None, None, "e")
    assert (fourth.position("e"), fourth.position("d"), second.position("e")) == (3, -1, -1)


def test_elements_behind_the_end_are_not_seen():
    first = List([1], ["a"])
    second = first.appended(2, "b")
    assert second.position("b") == 1 and first.position("b") == -1
    assert list(first.part(0, 9)) == [1]
    with pytest.raises(IndexError):
        first[1]


def test_appending_takes_constant_time():
    values = List([])
    for i in range(1000):
        longer = values.appended(i)
        if i:
            assert longer._elements is values._elements
        values = longer
    assert values.items == tuple(range(1000))
