"""``python -m dev.tools.nats_rights [--check]``: write the rights of the queues in deploy/nats/accounts.conf, or fail if they differ."""

from __future__ import annotations

import sys

from dev.tools.generated import ROOT, written_or_checked
from soundwright.kit.settings import QUEUES
from soundwright.kit.worker.commands import queue_consumer

ACCOUNTS = ROOT / "deploy" / "nats" / "accounts.conf"
_BEGIN = "      # Workers. `make docs` writes this part from the queues in kit/settings.py.\n"
_END = "      # The user of `python -m soundwright.services.broker init`.\n"
_USER = """
      # Creates and runs jobs of: {names}.
      {{ user: {component}, password: $NATS_{variable}_PASSWORD, permissions: {{
        publish: [
          "$JS.API.STREAM.INFO.SOUNDWRIGHT_CMD"
{rights}        ]
        subscribe: [ "_INBOX.{component}.>" ]
      }} }}
"""
_QUEUE = """\
          "{subject}", "soundwright.evt.{queue}.v1.job.*"
          "$JS.API.CONSUMER.CREATE.SOUNDWRIGHT_CMD.{durable}.{subject}"
          "$JS.API.CONSUMER.MSG.NEXT.SOUNDWRIGHT_CMD.{durable}", "$JS.ACK.SOUNDWRIGHT_CMD.{durable}.>"
"""


def generate(accounts: str) -> str:
    """Return ``accounts`` with the rights that the declared queues need."""
    head, _, rest = accounts.partition(_BEGIN)
    users = "".join(_user(component) for component in dict.fromkeys(QUEUES.values()))
    return head + _BEGIN + users + "\n" + _END + rest.partition(_END)[2]


def _user(component: str) -> str:
    names = [queue for queue, owner in QUEUES.items() if owner == component]
    return _USER.format(
        names=", ".join(names), component=component, variable=component.upper(), rights="".join(map(_rights, names))
    )


def _rights(queue: str) -> str:
    durable, subject = queue_consumer(queue)
    return _QUEUE.format(queue=queue, durable=durable, subject=subject)


if __name__ == "__main__":
    sys.exit(written_or_checked(ACCOUNTS, generate(ACCOUNTS.read_text()), "make docs"))
