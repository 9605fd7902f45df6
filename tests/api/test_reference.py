"""The API's reference in a browser, which must work where nothing but the platform can be reached."""

import re

import httpx
import pytest

from tests.stacks import Stack


@pytest.mark.parametrize("listener", ["base_url", "soundbox_url", "pipeline_url"])
def test_the_reference_comes_from_here_alone(stack: Stack, listener: str) -> None:
    with httpx.Client(base_url=getattr(stack, listener)) as anybody:
        page = anybody.get("/docs").raise_for_status()
        wanted = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert [path for path in wanted if path.startswith("/")] == [
            "/docs/swagger-ui.css",
            "/docs/swagger-ui-bundle.js",
            "/docs/start.js",
        ]
        assert [path for path in wanted if not path.startswith("/")] == ["data:,"]
        policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
        assert (policy["default-src"], policy["script-src"], policy["connect-src"]) == ("'none'", "'self'", "'self'")

        css, bundle, start = (anybody.get(path).raise_for_status() for path in wanted if path.startswith("/"))
        assert css.headers["content-type"].startswith("text/css")
        assert {part.headers["content-type"].partition(";")[0] for part in (bundle, start)} == {"text/javascript"}
        assert "SwaggerUIBundle" in bundle.text
        assert 'url: "/openapi.json"' in start.text
        assert anybody.get("/openapi.json").raise_for_status().json()["info"]["title"] == "Soundwright"
        assert anybody.get("/docs/../app.py").status_code == 404
        assert anybody.get("/docs/nothing.js").status_code == 404
