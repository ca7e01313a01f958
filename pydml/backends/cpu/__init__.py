"""Kernels for the CPU: multithreaded convolution and pooling, and sparse matrices."""
