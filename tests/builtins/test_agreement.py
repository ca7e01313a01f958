"""For all calls that the declared cases make: the shape rule tells the sizes, kernels agree with the meaning."""

import pytest

from pydml.builtins import registry
from pydml.testing import agreement

BUILTINS = [b for b in registry.all_builtins() if b.cases]


@pytest.mark.parametrize("builtin", BUILTINS, ids=lambda b: b.name)
def test_rule_and_kernels(builtin):
    for case in builtin.cases:
        agreement.check_calls(case.expression)
