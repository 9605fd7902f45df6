"""The ``spleeter`` engine: Deezer's network for vocals and accompaniment, alone and together with ``small``.

``engine`` imports no ML library.
"""

from soundwright.services.separation.engines.spleeter.engine import SpleeterEngine

__all__ = ["SpleeterEngine"]
