"""Builds the rules of retention."""

from soundwright.kit.ports import Blobs, Clock, Docs
from soundwright.kit.security.identity import is_anonymous_id
from soundwright.services.library.catalog.service import Catalog
from soundwright.services.library.jobs.ledger import JobLedger
from soundwright.services.library.retention.rules import ClipRule, JobRule, OutputRule, RecordRule, TrackRule
from soundwright.services.library.retention.service import Retention, Rule
from soundwright.services.library.retention.store import RetentionDocs
from soundwright.services.library.settings import LibrarySettings
from soundwright.services.library.stores import Stores
from soundwright.services.library.tracks.deletions import TrackDeletions


def build_retention(
    settings: LibrarySettings, docs: Docs, stores: Stores, blobs: Blobs, ledger: JobLedger, clock: Clock
) -> Retention:
    store = RetentionDocs(docs)
    deletions = TrackDeletions(stores.tracks, stores.jobs, ledger, blobs, clock)
    folders = {
        "stems": settings.keep_stems_days,
        "pipeline": settings.keep_pipeline_days,
        "exports": settings.keep_exports_days,
    }
    rules: list[Rule] = [
        # The first, so that a preview is exact: records whose files the other rules delete follow in the next round.
        JobRule("jobs", settings.keep_jobs_days, store),
        *(OutputRule(folder, days, folder, store, stores.jobs, ledger, blobs) for folder, days in folders.items()),
        TrackRule(
            "downloads", settings.keep_downloads_days, store, deletions, lambda track: bool(track["download_job_id"])
        ),
        TrackRule(
            "anonymous",
            settings.keep_anonymous_days,
            store,
            deletions,
            lambda track: is_anonymous_id(track["owner_id"]),
        ),
        ClipRule("clips", settings.keep_clips_days, store, Catalog(stores.clips, blobs, clock, ledger.remove_results)),
        RecordRule("audit", settings.keep_audit_days, store, "audit"),
        RecordRule(
            "deliveries",
            settings.keep_deliveries_days,
            store,
            "webhook_deliveries",
            lambda sent: sent["due_time"] is not None,
        ),
    ]
    return Retention(rules, clock)
