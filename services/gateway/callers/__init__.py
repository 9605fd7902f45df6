"""Who calls, and what a route declares about its callers."""
