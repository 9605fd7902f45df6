"""Separates recordings into stems, and runs the four-stage pipeline, exports and mixes.

Consumes ``soundwright.cmd.separation.v1.job.run`` and publishes
``soundwright.evt.separation.v1.job.<event>``. Jobs at lalal.ai use ``lalalai`` instead of ``separation`` in both.
"""
