"""Benchmarks: each prints a table; `python -m bench [name …]` runs all of them, or the named ones."""
