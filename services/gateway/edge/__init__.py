"""Middleware in front of the routes: request log, access control, routing and health."""
