"""Takes recordings apart: stems, and the four-stage pipeline.

Consumes ``soundwright.cmd.separation.v1.job.run.<priority>``; emits ``soundwright.evt.separation.v1.job.<fact>``. What
lalal.ai does goes by ``lalalai`` instead of ``separation`` in both.
"""
