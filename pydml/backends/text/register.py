"""Enters the fast readers and writers of text files; see `pydml.backends`."""

from pydml.backends.text import files  # noqa: F401  (enters its functions in pydml.io.numbers)
