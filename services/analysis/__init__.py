"""Measures recordings: tempo, key, energy, loudness, spectrum, MFCC, chroma.

Consumes ``soundwright.cmd.analysis.v1.job.run`` and publishes ``soundwright.evt.analysis.v1.job.<event>``.
"""
