"""The catalog of generated clips: records, access rules and deletion.

All authenticated callers can read all clips. Votes, favorites, suggestions and plays are separate documents. Counts and
categories on the clip are derived from them: each change recomputes them and stores them by compare-and-set. So
concurrent changes are not lost, and the next change repairs counts that a crash left outdated.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soundwright.kit import errors
from soundwright.kit.periodic import failures_logged
from soundwright.kit.ports import Blobs, Clock
from soundwright.kit.security.identity import Principal
from soundwright.kit.worker.derived_files import parts_key, score_key, waveform_key
from soundwright.services.library.access import owns
from soundwright.services.library.catalog import categories
from soundwright.services.library.catalog.records import FAMILIES, Clip, ClipFilter, ClipSort, Deletion

if TYPE_CHECKING:
    from soundwright.services.library.catalog.documents import ClipDocs
    from soundwright.services.library.catalog.store import CatalogStore

_BATCH_LIMIT = 100
_SAMPLE_LIMIT = 100
_EXCLUDE_LIMIT = 500
_RATINGS = range(1, 6)


async def require_clip(store: "ClipDocs", clip_id: str) -> Clip:
    """Return a clip. Raises ``GENERATION_NOT_FOUND``."""
    clip = await store.clips.get(clip_id)
    if clip is None:
        raise errors.GENERATION_NOT_FOUND()
    return clip


def require_batch(clip_ids: Sequence[str]) -> None:
    """Check the number of IDs in a request. Raises ``TOO_MANY_IDS``."""
    if len(clip_ids) > _BATCH_LIMIT:
        raise errors.TOO_MANY_IDS(limit=_BATCH_LIMIT)


async def change_clip(store: "ClipDocs", clip_id: str, change: Callable[[Clip], Clip]) -> Clip:
    """Change a clip by compare-and-set. Retry if another writer has changed it. Raises ``GENERATION_NOT_FOUND``."""
    clip = await store.clips.change(clip_id, change)
    if clip is None:
        raise errors.GENERATION_NOT_FOUND()
    return clip


async def recount(
    store: "ClipDocs", clip_id: str, what: Sequence[str], count: Callable[[Clip], Awaitable[Clip]]
) -> Clip:
    """Store the counts of a clip's documents on the clip. The counts are at least as recent as this call.

    The clip is replaced even if no count changed: otherwise a slower count that began earlier could still replace it.
    If each count has been stored twice since this call began, the second of them began after this call and is recent
    enough. So concurrent callers share counts, and each caller counts only a few times.

    Args:
        what: names of all counts that ``count`` computes.
        count: returns the clip with new counts.

    Raises ``GENERATION_NOT_FOUND``.
    """
    first = (await require_clip(store, clip_id)).recounts
    while True:
        clip = await require_clip(store, clip_id)
        recounts = clip.recounts
        if all(recounts.get(name, 0) >= first.get(name, 0) + 2 for name in what):
            return clip
        counted = dataclasses.replace(
            await count(clip), recounts={**recounts, **{name: recounts.get(name, 0) + 1 for name in what}}
        )
        if await store.clips.replace(counted):
            return dataclasses.replace(counted, revision=clip.revision + 1)


@dataclass(eq=False)
class Catalog:
    """Reads, rates and deletes clips.

    Args:
        remove_results: records that the files of the job with this ID were deleted.
        record: records what an administrator does to an object of another user: the ID of the administrator, the action, the
            type and the ID of the object, and the ID of its owner.
    """

    store: "CatalogStore"
    blobs: Blobs
    clock: Clock
    remove_results: Callable[[str], Awaitable[None]]
    record: Callable[[str, str, str, str, dict[str, str]], Awaitable[None]] | None = None

    async def get(self, clip_id: str) -> Clip:
        """Return a clip. Raises ``GENERATION_NOT_FOUND``."""
        return await require_clip(self.store, clip_id)

    async def list_clips(self, chosen: ClipFilter, sort: ClipSort, offset: int, limit: int) -> tuple[list[Clip], int]:
        """Return a page of the matching clips, and the number of all matching clips."""
        return await self.store.list_clips(chosen, sort, offset, limit)

    async def sample(
        self, principal: Principal, chosen: ClipFilter, count: int, exclude_ids: Sequence[str], favorites: bool
    ) -> list[Clip]:
        """Return a random sample without repetition. ``favorites`` limits it to the caller's favorites.

        Raises ``TOO_MANY_IDS``.
        """
        if len(exclude_ids) > _EXCLUDE_LIMIT:
            raise errors.TOO_MANY_IDS(f"A request can exclude at most {_EXCLUDE_LIMIT} generations.")
        size = min(_SAMPLE_LIMIT, max(1, count))
        return await self.store.sample_clips(chosen, size, exclude_ids, principal.id if favorites else None)

    async def count_by_model(self) -> tuple[int, dict[str, int]]:
        """Return the number of all clips, and the number of clips in each family."""
        by_family = await self.store.count_by_family()
        return sum(by_family.values()), {family: by_family.get(family, 0) for family in FAMILIES}

    async def count_categories(self, model: str) -> dict[str, int]:
        """Return the number of clips in each category of a family, or of both families if ``model`` is empty.

        Raises ``MODEL_NOT_FOUND``.
        """
        families = (model,) if model else FAMILIES
        counts = {category: 0 for family in families for category in self.categories(family)}
        for (family, category), count in (await self.store.count_by_category()).items():
            if category in counts and family in families:
                counts[category] += count
        return counts

    def categories(self, model: str) -> dict[str, str]:
        """Return the display names of the categories of ``music`` or ``audio``, by key. Raises ``MODEL_NOT_FOUND``."""
        if model not in categories.CATEGORIES:
            raise errors.MODEL_NOT_FOUND()
        return dict(categories.CATEGORIES[model])

    async def rate(self, clip_id: str, rating: int | None) -> Clip:
        """Set the rating of a clip; None removes it. A clip has one rating, which all callers share.

        Raises ``RATING_INVALID``, ``GENERATION_NOT_FOUND``.
        """
        if rating is not None and rating not in _RATINGS:
            raise errors.RATING_INVALID()
        return await change_clip(self.store, clip_id, lambda clip: dataclasses.replace(clip, rating=rating))

    async def set_spectrogram(self, clip_id: str, blob_key: str) -> Clip:
        """Store the blob key of a clip's spectrogram. Raises ``GENERATION_NOT_FOUND``."""
        return await change_clip(
            self.store, clip_id, lambda clip: dataclasses.replace(clip, spectrogram_blob_key=blob_key)
        )

    # ---------------------------------------------------------------------------------------------------- deletion

    async def delete(self, principal: Principal, clip_id: str) -> None:
        """Delete a clip, its files and all documents about it.

        The clip disappears with the first step. After a crash, :meth:`resume_deletions` or a repeated call completes
        the deletion.

        Raises ``GENERATION_NOT_FOUND``; ``GENERATION_NOT_OWNED`` if the caller is neither the owner nor an
        administrator.
        """
        clip = await self.store.clips.get(clip_id)
        if clip is not None:
            audio = clip.audio_blob_key
            beside = (waveform_key(audio), score_key(audio), parts_key(audio)) if audio else ()
            keys = [key for key in (audio, *beside, clip.spectrogram_blob_key) if key]
            deletion = Deletion(clip.id, clip.owner_id, keys, self.clock.now(), clip.creator_key)
        else:
            begun = await self.store.deletions.get(clip_id)
            if begun is None or not begun.pending:
                raise errors.GENERATION_NOT_FOUND()
            deletion = begun
        own = owns(principal, deletion.owner_id, deletion.creator_key)
        if not (principal.is_admin or own):
            raise errors.GENERATION_NOT_OWNED()
        if not own and self.record is not None:
            await self.record(principal.id, "delete", "generation", deletion.id, {"owner_id": deletion.owner_id})
        await self.store.deletions.add(deletion)
        await self._finish(deletion)

    async def resume_deletions(self) -> int:
        """Continue deletions that are not complete. Return how many went on. One that fails does not stop the others."""
        count = 0
        async for deletion in self.store.deletions.walk({"pending": True}):
            with failures_logged("clip.not_deleted", clip_id=deletion.id):
                await self._finish(deletion)
                count += 1
        return count

    async def _finish(self, deletion: Deletion) -> None:
        await self.store.clips.delete(deletion.id)
        for key in deletion.blob_keys:
            await self.blobs.delete(key)
        await self.remove_results(deletion.id)
        if await self.store.remove_belongings(deletion.id):
            await self.store.deletions.change(deletion.id, lambda done: dataclasses.replace(done, pending=None))
