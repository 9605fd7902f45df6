"""Turns words into audio.

Consumes ``soundwright.cmd.generation.v1.job.run.<priority>.<model>``; emits ``soundwright.evt.generation.v1.job.<fact>``.

A job's way: ``rpc`` takes it, ``worker`` runs it, ``batching`` puts its take together with others, ``takes`` makes and
judges them in an engine process, ``finishing`` writes the files of the best one in another process.
"""
