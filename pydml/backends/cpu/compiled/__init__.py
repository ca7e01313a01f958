"""Code compiled by Numba.  But for tables of numbers these modules import Numba; nobody imports them before a kernel is needed."""
