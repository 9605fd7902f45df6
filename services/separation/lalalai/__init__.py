"""lalal.ai as a separation engine: recordings go there, stems come back.

``client`` speaks its API, ``keys`` knows whose key is used, ``worker`` runs the jobs, ``fitting`` makes what came back
stems like any other, ``tasks`` is what callers may ask and cancel.

Consumes ``soundwright.cmd.lalalai.v1.job.run.<priority>``: a queue of its own, as these jobs wait and do not compute.
"""
