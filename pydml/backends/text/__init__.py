"""Compiled reading and writing of numbers in text files, on several threads.

`register` enters it in `pydml.io.numbers`; `files` divides the work and deals with what the kernels leave to Python; `compiled`
holds the kernels and imports Numba, on the first large file.
"""
