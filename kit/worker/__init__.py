"""Runs jobs and stores their outputs.

This package depends on the library's contract (`soundwright.library.v1`), because the library owns the ledger from which
workers claim jobs.
"""
