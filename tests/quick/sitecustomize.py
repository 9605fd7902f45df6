"""Lets the stacks of tests hash passwords in a millisecond: each of the 300 hashes of a run would take 0.2 s of CPU time.

Python imports this module when a process starts that has this folder on its path. The product does not know of it.
"""

import sys

if sys.orig_argv[-2:-1] == ["soundwright.services"] or sys.orig_argv[-1:] == ["tests.forks"]:
    from argon2 import PasswordHasher

    PasswordHasher.__init__.__defaults__ = (
        1,
        8,
        1,
        *(PasswordHasher.__init__.__defaults__ or ())[3:],
    )  # time, KiB, threads
