"""The storage quota: how many bytes of files each owner may store."""
