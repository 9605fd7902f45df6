"""The catalog: wire to domain and back."""

from __future__ import annotations

from soundwright.library.v1 import generation_pb2

from services.library.catalog import Generation
from services.library.wire import time_from_wire, time_to_wire

__all__ = ["generation_from_wire", "generation_to_wire"]


def generation_from_wire(message: generation_pb2.Generation) -> Generation:
    return Generation(
        id=message.id,
        owner_id=message.owner_id,
        prompt=message.prompt,
        model=message.model,
        duration_seconds=message.duration_seconds,
        is_loop=message.is_loop,
        seed=message.seed,
        quality_score=message.quality_score if message.HasField("quality_score") else None,
        quality_issues=list(message.quality_issues),
        quality_accepted=message.quality_accepted,
        retry_count=message.retry_count,
        engine=message.engine,
        engine_model=message.engine_model,
        degraded=message.degraded,
        sample_rate_hz=message.sample_rate_hz,
        channel_count=message.channel_count,
        audio_blob_key=message.audio_blob_key,
        spectrogram_blob_key=message.spectrogram_blob_key,
        audio_size_bytes=message.audio_size_bytes,
        continued_from_id=message.continued_from_id,
        priority=message.priority,
        create_time=time_from_wire(message, "create_time") or 0.0,
        categories=list(message.categories),
        upvote_count=message.upvote_count,
        downvote_count=message.downvote_count,
        rating=message.rating if message.HasField("rating") else None,
        play_count=message.play_count,
        listener_count=message.listener_count,
    )


def generation_to_wire(generation: Generation) -> generation_pb2.Generation:
    return generation_pb2.Generation(
        id=generation.id,
        owner_id=generation.owner_id,
        prompt=generation.prompt,
        model=generation.model,
        duration_seconds=generation.duration_seconds,
        is_loop=generation.is_loop,
        seed=generation.seed,
        quality_score=generation.quality_score,
        quality_issues=generation.quality_issues,
        quality_accepted=generation.quality_accepted,
        retry_count=generation.retry_count,
        engine=generation.engine,
        engine_model=generation.engine_model,
        degraded=generation.degraded,
        sample_rate_hz=generation.sample_rate_hz,
        channel_count=generation.channel_count,
        audio_blob_key=generation.audio_blob_key,
        spectrogram_blob_key=generation.spectrogram_blob_key,
        audio_size_bytes=generation.audio_size_bytes,
        continued_from_id=generation.continued_from_id,
        priority=generation.priority,
        categories=generation.categories,
        upvote_count=generation.upvote_count,
        downvote_count=generation.downvote_count,
        rating=generation.rating,
        play_count=generation.play_count,
        listener_count=generation.listener_count,
        create_time=time_to_wire(generation.create_time),
    )
