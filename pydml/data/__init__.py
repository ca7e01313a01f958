"""Data sets of images: from photographs, idx files and CIFAR's files to folders that `read` takes row by row.

`prepare` writes a data set, `verify` checks one, `commands` is the command line `pydml data`.  docs/data.md describes the files and
how a DML script reads them (`pydml.io.dataset`).
"""
