"""The email queue, and the transports that deliver emails."""
