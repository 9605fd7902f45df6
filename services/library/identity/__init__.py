"""Accounts, sessions, API tokens, connections to other services, and administration."""
