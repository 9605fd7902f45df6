"""Adds recordings to libraries of users.

Uploads are probed, hashed, stored and registered as tracks. Downloads are looked up in Spotify's catalog, searched and
fetched first.

Consumes ``soundwright.cmd.ingest.v1.job.run`` and publishes ``soundwright.evt.ingest.v1.job.*``.
"""
