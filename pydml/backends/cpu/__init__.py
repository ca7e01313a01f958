"""Multithreaded kernels for dense matrices on the CPU.

`register` enters them for the builtins.  `threads` owns all threads and the thread budget; `jit` compiles; `conv`, `pool`
choose and drive algorithms; the modules named `*_kernels` hold the compiled code and are the only ones that import Numba.
"""
