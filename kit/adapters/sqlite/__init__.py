"""The Docs and Search ports over one SQLite file."""
