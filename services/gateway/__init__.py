"""The gateway: the only public edge. Speaks HTTP in every dialect, knows who calls, limits, streams; owns no data.

It consumes no subjects and emits none: whatever it wants done, it asks of the services' stubs.
"""
