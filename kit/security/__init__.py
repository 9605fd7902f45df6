"""Identity of callers, sealed secrets, private files, and the egress policy for outgoing connections."""
