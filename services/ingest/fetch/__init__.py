"""Fetching from the outside: yt-dlp in a process of its own, whose only way out is a proxy that checks every address.

``guard`` decides what may be reached and connects to the very address that it checked; ``proxy`` is the process's way out;
``child`` is what runs there; ``fetcher`` starts, watches and ends it; ``matching`` picks among search results; ``web`` reads
small things (covers, short links) through the same guard; ``encoding`` and ``tags`` make of what came a file to keep.
"""
