"""Multithreaded kernels for dense matrices on the CPU.

`register` enters them for the builtins.  `threads` owns all threads and the thread budget; `jit` compiles; `conv` and `pool`
choose algorithms and drive them; compiled code is in the subpackage `compiled`, whose modules import Numba and are imported by
the first call that needs them.
"""
