"""Which budget a call of the forge dialect is counted against."""

from __future__ import annotations

import pytest

from services.gateway.dialect import Access
from services.gateway.forge import FORGE
from services.gateway.limits import RateClass


@pytest.mark.parametrize(
    ("method", "path", "rate_class"),
    [
        ("POST", "/api/download/track", RateClass.HEAVY),
        ("POST", "/api/spotify/import", RateClass.HEAVY),
        ("POST", "/api/spotify/fetch", RateClass.NORMAL),
        ("GET", "/api/spotify/search", RateClass.NORMAL),
        ("GET", "/api/spotify/track/4uLU6hMCjMI75M1A2tKUQC", RateClass.NORMAL),
        ("GET", "/api/download/job/01234567-89ab-4cde-8f01-23456789abcd", RateClass.POLLING),
        ("POST", "/api/processing/separate", RateClass.HEAVY),
        ("POST", "/api/analysis/analyze", RateClass.HEAVY),
        ("POST", "/api/tracks", RateClass.NORMAL),
        ("PATCH", "/api/tracks/01234567-89ab-4cde-8f01-23456789abcd", RateClass.NORMAL),
        ("DELETE", "/api/tracks/01234567-89ab-4cde-8f01-23456789abcd", RateClass.NORMAL),
        ("GET", "/api/tracks/01234567-89ab-4cde-8f01-23456789abcd", RateClass.POLLING),
        ("GET", "/api/tracks", RateClass.NORMAL),
        ("GET", "/files/downloads/a/b.mp3", RateClass.FILES),
    ],
)
def test_budgets(method: str, path: str, rate_class: RateClass) -> None:
    rule = FORGE.rule(method, path)
    assert (rule.access, rule.rate_class) == (Access.ACCOUNT, rate_class)
