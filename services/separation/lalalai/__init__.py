"""The lalal.ai separation engine: sends recordings to lalal.ai and fetches the stems.

``client`` is the API client, ``keys`` selects the license key, ``worker`` runs the jobs, ``stem_conversion`` converts the
received stems, and ``tasks`` serves the quota and cancellations.

Consumes ``soundwright.cmd.lalalai.v1.job.run``. The jobs have their own queue, because they wait for lalal.ai
instead of computing.
"""
