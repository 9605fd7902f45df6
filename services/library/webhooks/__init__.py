"""Webhook endpoints, and the delivery of messages about finished jobs."""
