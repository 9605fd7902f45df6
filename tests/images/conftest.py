"""The images of all components, built once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.images.builder import ROOT, Image, ImageBuilder

COMPONENTS = ("library", "gateway", "ingest", "analysis", "separation", "generation")


FOLDER = ROOT / ".servers" / "images"


@pytest.fixture(scope="session")
def builder() -> Iterator[ImageBuilder]:
    builder = ImageBuilder(FOLDER)
    try:
        yield builder
    finally:
        builder.close()


@pytest.fixture(scope="session")
def images(builder: ImageBuilder) -> dict[str, Image]:
    images = {component: builder.image(component) for component in COMPONENTS}
    # For docs/BENCHMARKS.md.
    lines = [f"| {component} | {image.size_bytes('opt') / 1e6:.0f} |" for component, image in images.items()]
    (FOLDER / "sizes.md").write_text("\n".join(["| image | without base, MB |", "|---|---:|", *lines]) + "\n")
    return images
