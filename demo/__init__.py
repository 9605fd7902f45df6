"""The demonstration that ``make demo`` runs. It uses only the public API."""
