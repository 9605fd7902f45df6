"""Fetching from the outside: yt-dlp in a process of its own, whose only way out is a proxy that checks every address.

``proxy`` is the process's way out, through :mod:`kit.outbound`; ``child`` is what runs there; ``fetcher`` starts, watches
and ends it; ``matching`` picks among search results; ``encoding`` and ``tags`` make of what came a file to keep.
"""
