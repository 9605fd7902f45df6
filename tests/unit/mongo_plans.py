"""Plans of MongoDB for recorded queries of the Docs port."""

from __future__ import annotations

import uuid
from collections.abc import Collection as AnyCollection
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymongo import monitoring

from kit.adapters.mongo.docs import MongoDocs
from kit.ports import AllOf, Collection, Index
from tests.servers.mongodb import database_url

__all__ = ["RecordedQuery", "scanning_queries"]


@dataclass(frozen=True)
class RecordedQuery:
    """A call of ``find``, or of ``count`` if ``options`` is None."""

    collection: str
    where: Mapping[str, Any]
    options: Mapping[str, Any] | None

    @property
    def shape(self) -> str:
        """Return a text that is the same for queries which differ only in values."""
        where = sorted(f"{name} {_kinds(condition)}" for name, condition in self.where.items())
        options = {**(self.options or {}), "limit": 0, "after": (self.options or {}).get("after") is not None}
        return f"{self.collection} {where} {sorted(options.items())} {self.options is None}"


def _kinds(condition: Any) -> list[str]:
    conditions = condition.conditions if isinstance(condition, AllOf) else [condition]
    return [type(one).__name__ for one in conditions]


class _Commands(monitoring.CommandListener):
    """The queries that clients send."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        names = ("filter", "sort", "skip", "limit", "projection", "pipeline", "cursor")
        if event.command_name in ("find", "aggregate"):
            command = {event.command_name: event.command[event.command_name]}
            self.sent.append({**command, **{name: event.command[name] for name in names if name in event.command}})

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...
    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


async def scanning_queries(
    server: str, indexes: Mapping[str, AnyCollection[Index]], queries: AnyCollection[RecordedQuery]
) -> list[str]:
    """Return the queries for which MongoDB would read all documents of the collection.

    Compatible engines have other planners. The result is empty on them.

    Args:
        indexes: Those of each collection.
    """
    commands = _Commands()
    monitoring.register(commands)  # of all clients from now on
    docs = MongoDocs(database_url(server, f"plans_{uuid.uuid4().hex}"))
    found: list[str] = []
    try:
        if "storageEngines" not in await docs.database.command("buildInfo"):
            return []
        for name, each in indexes.items():
            await docs.ensure(Collection(name, tuple(each)))
        for query in queries:
            commands.sent.clear()
            if query.options is None:
                await docs.count(query.collection, query.where)
            else:
                await docs.find(query.collection, query.where, **query.options)
            for command in list(commands.sent):
                answer = await docs.database.command("explain", command, verbosity="queryPlanner")
                if "COLLSCAN" in _stages(answer):
                    found.append(f"{command} for {query}")
    finally:
        await docs.database.client.drop_database(docs.database.name)
        await docs.close()
    return found


def _stages(plan: Any) -> set[str]:
    """Return the stages of the plan that the server chose."""
    if isinstance(plan, list):
        return set[str]().union(*map(_stages, plan))
    if not isinstance(plan, Mapping):
        return set()
    inner = [value for name, value in plan.items() if name != "rejectedPlans"]
    return _stages(inner) | ({str(plan["stage"])} if "stage" in plan else set())
