"""The folders ``kit``, ``services`` and ``gen/soundwright`` are one package. ``pyproject.toml`` has the rest."""

from setuptools import find_namespace_packages, setup

setup(
    package_dir={"soundwright": "gen/soundwright", "soundwright.kit": "kit", "soundwright.services": "services"},
    packages=[
        *find_namespace_packages("gen"),
        *(f"soundwright.{name}" for name in find_namespace_packages(include=["kit*", "services*"])),
    ],
)
