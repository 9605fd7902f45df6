"""Separation engines behind one Protocol (:class:`services.separation.service.Engine`).

``dsp`` needs no weights; ``demucs`` runs the published Demucs models. Torch is imported nowhere else.
"""
