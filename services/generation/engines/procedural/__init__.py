"""Generation without model weights: a composer, its instruments and a sound designer.

``songs.song(name)`` gives a score whose tempo, key and beats are known; ``render.render_stems(song)`` plays it.
"""
