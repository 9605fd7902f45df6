"""Shared code without domain words: ports, settings, errors, logs, metrics, RPC plumbing, job running, audio I/O.

Imports nothing from ``services``. Drivers (SQLite, NATS, ...) live in :mod:`soundwright.kit.adapters` alone.
"""
