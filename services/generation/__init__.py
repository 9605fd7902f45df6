"""Turns words into audio.

Consumes ``soundwright.cmd.generation.v1.job.run.<priority>``; emits ``soundwright.evt.generation.v1.job.<fact>``.
"""
