"""What the gateway reads of a build of the studio."""

import gzip
import json
from pathlib import Path

from soundwright.services.gateway.callers.browsers import Browsers
from soundwright.services.gateway.settings import GatewaySettings
from soundwright.services.gateway.web.studio_pages import read_build, studio_routes
from soundwright.services.gateway.web.views import Views


def test_without_a_build_there_is_nothing_to_serve(tmp_path: Path) -> None:
    build = read_build(tmp_path)
    assert build.scripts == ()
    assert build.assets == {}
    # The gateway starts all the same, and the page says how to build the studio.
    views = Views(Browsers(GatewaySettings()))
    assert studio_routes(views, build, media_origin="", open_access=True).routes


def test_the_entry_comes_first_and_its_imports_follow(tmp_path: Path) -> None:
    manifest = {
        "src/main.tsx": {
            "file": "assets/main-1.js",
            "imports": ["_hooks.js", "_signals.js"],
            "css": ["assets/main-2.css"],
        },
        "_hooks.js": {"file": "assets/hooks-3.js", "imports": ["_signals.js"]},
        "_signals.js": {"file": "assets/signals-4.js"},
        "src/pages/jobs.tsx": {"file": "assets/jobs-5.js", "imports": ["src/main.tsx"]},
    }
    (tmp_path / ".vite").mkdir()
    (tmp_path / ".vite" / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "main-1.js").write_text("x" * 1000)
    (tmp_path / "assets" / "tiny-6.mjs").write_text("x")
    build = read_build(tmp_path)
    assert build.scripts == ("/studio/assets/main-1.js", "/studio/assets/hooks-3.js", "/studio/assets/signals-4.js")
    assert build.styles == ("/studio/assets/main-2.css",)
    main, tiny = build.assets["main-1.js"], build.assets["tiny-6.mjs"]
    assert main.media_type == tiny.media_type == "text/javascript"
    assert gzip.decompress(main.compressed) == main.body == b"x" * 1000
    assert tiny.compressed == b""
