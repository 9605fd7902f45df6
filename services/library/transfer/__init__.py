"""Backup, restore and copy of a library: its documents, and the files that they name."""
