"""Deletion of old files and documents, as the settings say."""
