"""The limits of what clients send, in one table. Fields have limits of their own, which their models declare.

:mod:`soundwright.kit.http_limits` limits requests before they reach the application.
"""

BODY_BYTES = 1 << 20
"""A body that is not an upload."""
FORM_BYTES = 1 << 16
"""A URL-encoded form, or the query of a URL."""
FORM_FIELDS = 200
JSON_VALUES = 2000
"""Values in a JSON body or message. Many small values cost much more time than their bytes."""
JSON_QUOTES = 10_000

COOKIES_BYTES = 1 << 14
CONTENT_TYPE_CHARS = 500
RANGE_CHARS = 100

TOKEN_SEARCH_BYTES = 1 << 16
"""The CSRF token must be complete within this first part of a multipart form."""
PREAMBLE_BYTES = 1 << 20
"""What comes before the first boundary of a multipart form."""
PART_HEADERS = 8
PART_HEADER_BYTES = 1 << 12
PART_PARAMETERS = 16
"""Parameters of a ``Content-Disposition`` or ``Content-Type`` header."""
