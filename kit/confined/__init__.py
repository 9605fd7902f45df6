"""Runs functions that read untrusted data in processes of their own, which cannot reach anything else of the platform."""
