"""Adapters of the ports. Database, broker and storage drivers are imported here and nowhere else."""
