"""The ``Blobs`` port over a folder."""
