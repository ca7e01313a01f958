"""Random programs behave the same with and without the optimizer; generate.py compares many more, and with SystemDS."""

from __future__ import annotations

from generate import optimizer_changes, programs
from hypothesis import HealthCheck, given, settings


# derandomized: a failure is one of the program at hand, not of the day; generate.py explores with other seeds
@settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs(wild=True))
def test_optimizer_keeps_what_a_program_does(program: str) -> None:
    reason = optimizer_changes(program)
    assert not reason, f"{reason}\n{program}"
