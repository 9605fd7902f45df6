"""Reading and writing audio: untrusted files in, float32 [channels, frames] in blocks, files out. Everything is
synchronous and in bounded memory; callers run it in threads."""

from kit.audio.containers import SUPPORTED_FORMATS, sniff
from kit.audio.decode import AudioFile, decode_blocks, inspect, probe, regroup
from kit.audio.encode import AudioWriter, Encoding, reencode, resample_blocks
from kit.audio.ffmpeg import AudioInfo, AudioLimits, AudioSummary

__all__ = [
    "SUPPORTED_FORMATS",
    "AudioFile",
    "AudioInfo",
    "AudioLimits",
    "AudioSummary",
    "AudioWriter",
    "Encoding",
    "decode_blocks",
    "inspect",
    "probe",
    "reencode",
    "regroup",
    "resample_blocks",
    "sniff",
]
