"""The OpenAPI document, built from the declarations of routes, and the API reference at ``/docs``."""
