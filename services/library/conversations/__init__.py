"""Conversations with agents."""
