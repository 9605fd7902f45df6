"""MusicGen, AudioGen and MAGNeT through Meta's audiocraft library.

``engine`` and ``files`` are light to import; the others import PyTorch and audiocraft.
"""
