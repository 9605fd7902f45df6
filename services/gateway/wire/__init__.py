"""What arrives and how errors leave: bodies, parameters, limits and error responses. It knows no service."""
