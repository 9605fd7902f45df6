"""Benchmarks: what the platform costs, measured on the machine at hand. None of them is a test."""
