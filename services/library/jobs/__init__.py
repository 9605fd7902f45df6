"""The ledger of jobs: admission, life cycle, queue and sweeper."""
