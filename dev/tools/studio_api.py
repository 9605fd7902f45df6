"""``python -m dev.tools.studio_api [--check]``: generate the types of the API for the studio, or fail if they differ.

openapi-typescript reads the document of the dialects that the studio uses: forge, and soundbox for clips. The types are
committed, so that the studio builds without Python, and reviewers see changes of the API.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import grpc.aio

from dev.tools.generated import ROOT, written_or_checked
from soundwright.services.gateway.clients import Clients, Gateway
from soundwright.services.gateway.dialects.forge import FORGE, forge_routes
from soundwright.services.gateway.dialects.soundbox import SOUNDBOX, soundbox_only_routes
from soundwright.services.gateway.openapi.document import DocumentedApp
from soundwright.services.gateway.settings import GatewaySettings

STUDIO = ROOT / "studio"
TYPES = STUDIO / "src" / "api" / "schema.d.ts"
_COMPONENTS = ("library", "ingest", "separation", "analysis", "generation")


async def document() -> dict[str, Any]:
    """Return the OpenAPI document of both dialects. No server runs: the routes are only described."""
    channel = grpc.aio.insecure_channel("unix:unused")
    unused: dict[str, Any] = dict.fromkeys(field.name for field in dataclasses.fields(Gateway))
    clients = Clients.over(dict.fromkeys(_COMPONENTS, channel))
    gateway = Gateway(**unused | {"settings": GatewaySettings(), "clients": clients})
    site = DocumentedApp([FORGE, SOUNDBOX], {}, title="Soundwright")
    site.include_router(forge_routes(gateway))
    site.include_router(soundbox_only_routes(gateway))
    described = site.openapi()
    await channel.close()
    return described


def generate() -> str:
    """Return the types as TypeScript."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "openapi.json", Path(folder) / "schema.d.ts"
        source.write_text(json.dumps(asyncio.run(document())))
        # Fields of requests that have a default may be omitted.
        options = ["--default-non-nullable=false", "--output", str(target)]
        command = ["node", "node_modules/openapi-typescript/bin/cli.js", str(source), *options]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        subprocess.run(command, cwd=STUDIO, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PATH": path})
        return target.read_text()


if __name__ == "__main__":
    sys.exit(written_or_checked(TYPES, generate(), "make studio-api"))
