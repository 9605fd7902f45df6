"""Generates audio from text prompts.

Consumes ``soundwright.cmd.generation.v1.job.run``; emits ``soundwright.evt.generation.v1.job.<fact>``.

``rpc`` creates jobs and ``worker`` runs them. ``batching`` combines the takes of several jobs, ``takes`` generates and
rates them in an engine process, and ``finishing`` writes the files of the best take in another process.
"""
