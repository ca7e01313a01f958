"""How often the kill tests kill: a few by default, 200 for the whole test (`pytest tests/study --kills 200`)."""

import pytest


def pytest_addoption(parser):
    parser.addoption("--kills", type=int, default=6, help="number of random moments at which the kill tests kill")


@pytest.fixture
def kills(request):
    return request.config.getoption("--kills", default=6)
