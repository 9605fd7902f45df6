"""System of record: accounts, tracks, stems, analyses, generations and the ledger of jobs.

Consumes no subject. Its sweeper publishes run commands again for jobs whose command or worker was lost.
"""
