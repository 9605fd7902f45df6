"""Every kind of job has limits, and every route that creates jobs a rate class."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

from soundwright.library.v1 import job_pb2

from kit.worker.kind import JobKind
from services.analysis.settings import AnalysisSettings
from services.analysis.worker import AnalysisWorker
from services.generation.settings import GenerationSettings
from services.generation.tiers import TIERS
from services.ingest.settings import IngestSettings
from services.ingest.worker import DownloadWorker
from services.separation.export import ExportWorker
from services.separation.lalalai.worker import LalalaiWorker
from services.separation.pipeline import PipelineWorker
from services.separation.settings import SeparationSettings
from services.separation.worker import SeparationWorker


def test_every_kind_limits_its_unfinished_jobs() -> None:
    def bare(worker: type[Any], **attributes: Any) -> Any:
        made = worker.__new__(worker)  # the descriptor needs no connection
        vars(made).update(attributes)
        return made

    separation = SeparationSettings()
    kinds = cast(
        list[JobKind[Any]],
        [
            bare(SeparationWorker).job_kind(separation),
            bare(PipelineWorker).job_kind(separation),
            bare(ExportWorker).job_kind(separation),
            bare(LalalaiWorker, _settings=separation).job_kind(),
            bare(AnalysisWorker).job_kind(AnalysisSettings()),
            bare(DownloadWorker).job_kind(IngestSettings()),
        ],
    )
    for kind in kinds:
        assert all(0 < limit <= 20_000 for limit in dataclasses.astuple(kind.limits)), kind.kind
    # The tier of the caller limits generation.
    assert all(tier.pending_limit for tier in TIERS.values())
    assert GenerationSettings().generation_queue_limit
    # A batch counts as its jobs.
    others = {job_pb2.JOB_KIND_GENERATION, job_pb2.JOB_KIND_BATCH, job_pb2.JOB_KIND_UNSPECIFIED}
    assert {kind.kind for kind in kinds} | others == set(job_pb2.JobKind.values())
