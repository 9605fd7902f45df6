"""Converts jobs and analyses that an earlier release stored with JSON specifications and results.

This is the only module of the library that knows the messages of other services. Only the migration uses it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from soundwright.analysis.v1 import jobs_pb2 as analysis_pb
from soundwright.generation.v1 import jobs_pb2 as generation_pb
from soundwright.ingest.v1 import jobs_pb2 as ingest_pb
from soundwright.separation.v1 import jobs_pb2 as separation_pb

from kit.ports import Doc
from kit.worker.kind import pack
from services.library.jobs.admission import fingerprint
from services.library.jobs.service import PackedMessage

__all__ = ["converted_analysis", "converted_job", "stem_set_of"]

_SPECS: Mapping[str, type[Message]] = {
    "download": ingest_pb.DownloadSpec,
    "separation": separation_pb.SeparationSpec,
    "analysis": analysis_pb.AnalysisSpec,
    "generation": generation_pb.GenerationSpec,
    "pipeline": separation_pb.PipelineSpec,
}
_OUTPUT_FOLDERS = {"separation": "stems", "pipeline": "pipeline", "generation": "generations"}


def converted_job(doc: Doc) -> Doc | None:
    """Return the job with typed specification and result, or None if it is already converted."""
    if "spec_json" not in doc:
        return None
    job = {name: value for name, value in doc.items() if name != "spec_json"}
    kind, text = job["kind"], doc["spec_json"]
    spec = _parsed(text)
    job["spec"] = _packed(_message(spec, _SPECS[kind]))
    if job["fingerprint"] == _old_fingerprint(kind, job["track_id"], text):
        job["fingerprint"] = fingerprint(kind, job["track_id"], PackedMessage(**job["spec"]))
    if kind == "download":
        job["track_id"] = job["track_id"] or spec.get("track_id", "")
    job["output_folder"] = f"tracks/{job['track_id']}" if kind == "download" else _OUTPUT_FOLDERS.get(kind, "")
    job["creates_track"] = kind == "download"
    job["public_spec"] = kind == "generation"
    if job.get("result"):
        job["result"] = _converted_result(kind, job["result"])
    return job


def converted_analysis(doc: Doc) -> Doc | None:
    """Return the analysis of a track with typed details, or None if it is already converted."""
    if "values_json" not in doc:
        return None
    analysis = {name: value for name, value in doc.items() if name not in ("values_json", "features")}
    return analysis | _analysis_of(doc["values_json"], doc["features"])


def stem_set_of(job: Doc, track: Doc | None) -> Doc | None:
    """Return the stems of an unconverted separation job, or None if the job has none or its track was deleted."""
    if "spec_json" not in job or job["kind"] != "separation" or job["state"] != "succeeded" or not job.get("result"):
        return None
    if track is None:
        return None
    expected = job.get("track_create_time")  # another track may have been created with the ID of a deleted one
    is_for_track = job["create_time"] >= track["create_time"] if expected is None else expected == track["create_time"]
    if not is_for_track:
        return None
    return {
        "id": track["id"],
        "track_id": track["id"],
        "job_id": job["id"],
        "track_create_time": track["create_time"],
        "create_time": job["finish_time"],
        "stems": job["result"]["outputs"],
    }


def _converted_result(kind: str, old: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in old.items() if name not in ("values_json", "features", "generation")}
    result: dict[str, Any] = {**kept, "outputs_are_stems": kind == "separation"}
    if old.get("values_json"):
        result |= _analysis_of(old["values_json"], old.get("features", []))
    if old.get("generation"):
        result["clip"] = old["generation"]
    return result


def _analysis_of(values_json: str, features: list[str]) -> dict[str, Any]:
    values = _parsed(values_json)
    tempo, key = values.get("tempo"), values.get("key")
    return {
        "details": _packed(analysis_pb.AnalysisResult(features=features, values_json=values_json)),
        "measurement": {
            "bpm": float(tempo) if isinstance(tempo, int | float) else None,
            "key": key if isinstance(key, str) else "",
        },
    }


def _parsed(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _message(values: dict[str, Any], message_class: type[Message]) -> Message:
    """Return a message with these field values, or an empty message if the values are invalid."""
    try:
        return json_format.ParseDict(values, message_class(), ignore_unknown_fields=True)
    except json_format.ParseError:
        return message_class()


def _packed(message: Message) -> dict[str, str]:
    packed = pack(message)
    return {"type_url": packed.type_url, "value": base64.b64encode(packed.value).decode()}


def _old_fingerprint(kind: str, track_id: str, spec_json: str) -> str:
    return hashlib.sha256(json.dumps([kind, track_id, spec_json]).encode()).hexdigest()
