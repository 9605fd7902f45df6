"""A discrete-event simulation of a job queue whose workers KEDA scales (docs/SCALING.md)."""
