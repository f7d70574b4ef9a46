"""Benchmarks: each is a command, `recsys bench …`; figures go to docs/benchmarks.md."""
