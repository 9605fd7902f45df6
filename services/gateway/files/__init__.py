"""Uploads, downloads, archives, conversions and players."""
