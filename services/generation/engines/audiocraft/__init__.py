"""MusicGen, AudioGen and MAGNeT through Meta's audiocraft library.

``engine`` is light to import; the others import PyTorch and audiocraft.
"""
