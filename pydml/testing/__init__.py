"""Tests of DML and in DML: the pytest plugin, expectations in comments, gradient checks, agreement of kernels."""
