"""Orphans: files that no record of the library names, for example those of killed workers."""
