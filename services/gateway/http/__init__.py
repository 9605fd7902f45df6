"""The HTTP layer that all dialects share: middleware, access control, rate limits, errors, parameters, uploads and files."""
