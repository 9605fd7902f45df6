"""Generation without model weights: a composer, its instruments and a sound designer.

``engine.ProceduralEngine`` is the engine. ``songs.song(name)`` returns a score whose tempo, key and beats are known,
and ``render.render_stems(song)`` renders it: music for demos, tests and benchmarks.
"""
