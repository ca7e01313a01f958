"""Tests of the front end: its cache lives in a temporary directory, and errors/ is left to test_errors.py."""

import pytest

# Programs that are wrong on purpose.
collect_ignore_glob = ["errors/*.dml"]


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYDML_CACHE_DIR", str(tmp_path_factory.mktemp("cache") / "pydml"))
        yield
