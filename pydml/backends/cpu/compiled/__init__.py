"""Code compiled by Numba.  These modules import Numba; nobody imports them before a kernel is needed."""
