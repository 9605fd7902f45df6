"""Backup and restore of a library: its documents, and the files that they name."""
