"""The API reference for browsers: Swagger UI, served from this process so that it works without internet access."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from soundwright.services.gateway.callers.access import Access, access

_PATH = "/docs"
# Swagger UI sets inline styles. All scripts are served from this origin.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )
}
_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Soundwright API reference</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{_PATH}/swagger-ui.css">
</head>
<body>
<div id="reference"></div>
<script src="{_PATH}/swagger-ui-bundle.js"></script>
<script src="{_PATH}/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  tryItOutEnabled: true,
});
"""


def serve_reference(site: FastAPI) -> None:
    @access(Access.PUBLIC)
    async def page(_: Request) -> Response:
        return HTMLResponse(_PAGE, headers=_HEADERS)

    @access(Access.PUBLIC)
    async def start(_: Request) -> Response:
        return Response(_START, media_type="text/javascript")

    site.add_route(_PATH, page, include_in_schema=False)
    site.add_route(f"{_PATH}/start.js", start, include_in_schema=False)
    site.mount(_PATH, access(Access.PUBLIC)(StaticFiles(packages=[("fastapi_offline", "static")])))
