"""Tracks, their stems and analyses, and their deletion."""
