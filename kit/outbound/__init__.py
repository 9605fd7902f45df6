"""The way to servers that people name: over connections to addresses that were checked, and to no others.

``guard`` decides what may be reached and connects to the very address that it checked; ``web`` reads and posts small things
over HTTP through it.
"""
