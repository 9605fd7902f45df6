"""Shapes of the forge dialect: how the fields of messages become JSON."""

from soundwright.ingest.v1 import ingest_service_pb2
from soundwright.library.v1 import account_pb2, track_pb2
from soundwright.models.v1 import model_pb2
from soundwright.services.gateway.dialects.forge.download import LinkEntry
from soundwright.services.gateway.dialects.forge.model_facts import ModelFacts
from soundwright.services.gateway.dialects.forge.serializers import shaped
from soundwright.services.gateway.dialects.forge.shapes import Corrections
from soundwright.services.gateway.dialects.forge.tokens import ApiToken


def test_only_fields_that_can_be_null_are_null_if_they_are_empty() -> None:
    assert shaped(ingest_service_pb2.LinkEntry(title="Song"), LinkEntry) == {
        "url": "", "title": "Song", "artist": None, "duration_seconds": None, "track_id": None, "problem": None,
    }  # fmt: skip


def test_a_zero_that_was_set_is_no_null() -> None:
    corrections = track_pb2.Corrections(bar_one_seconds=0.0)
    assert shaped(corrections, Corrections) == {"bar_one_seconds": 0.0, "chords": [], "lyrics": None}


def test_times_have_their_own_names() -> None:
    token = account_pb2.ApiToken(id="t", name="script", prefix="qO3xVb")
    token.create_time.FromSeconds(1_772_649_000)
    assert shaped(token, ApiToken) == {
        "id": "t", "name": "script", "prefix": "qO3xVb",
        "created_at": "2026-03-04T18:30:00Z", "last_used_at": None, "expires_at": None,
    }  # fmt: skip


def test_shapes_contain_shapes_and_given_values() -> None:
    model = model_pb2.Model(files=[model_pb2.ModelFile(name="a.bin", mirrors=["https://one.example"])])
    facts = shaped(model, ModelFacts, measured_speed=1.5)
    assert facts["files"] == [{"name": "a.bin", "size_bytes": None, "sha256": None, "mirrors": ["https://one.example"]}]
    assert (facts["scores"], facts["measured_speed"], facts["size_bytes"]) == ([], 1.5, None)
