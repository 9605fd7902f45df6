"""Brings recordings in: uploads are inspected, hashed, put in their place and registered with the library; downloads are
looked up in Spotify's catalog, searched and fetched, and then go the same way.

Consumes ``soundwright.cmd.ingest.v1.job.run.*``; emits ``soundwright.evt.ingest.v1.job.*``.
"""
