"""The files that documents name."""

from soundwright.kit.ports import Docs
from soundwright.services.library.jobs.service import JobState
from soundwright.services.library.orphans.service import KeyOwner
from soundwright.services.library.transfer.files import keys_in

_OUTPUT_LIMIT = 1000


class BlobDocs:
    """The records of blobs. It reads documents as they are, of whatever version."""

    def __init__(self, docs: Docs) -> None:
        self._docs = docs

    async def named(self, owner: KeyOwner) -> frozenset[str] | None:
        job = await self._docs.get("jobs", owner.job_id) if owner.job_id else None
        # The job is read before its results, which are stored before it ends for good.
        if job is not None and (not JobState(job["state"]).terminal or job.get("results_pending")):
            return None
        keys: set[str] = set()
        if owner.track_id:
            track = await self._docs.get("tracks", owner.track_id)
            keys.update(keys_in(track))
        if owner.job_id:
            keys.update(keys_in((job or {}).get("result")))
            keys.update(keys_in(await self._docs.find("outputs", {"job_id": owner.job_id}, limit=_OUTPUT_LIMIT)))
            keys.update(keys_in(await self._docs.get("clips", owner.job_id)))  # a clip has the id of its job
        return frozenset(keys)
