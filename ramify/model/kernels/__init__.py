"""Kernels for the CPU, in Python: compiled by Numba at their first call and kept on disk."""
