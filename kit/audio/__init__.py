"""Audio I/O: decodes untrusted files to float32 [channels, frames] in blocks, and encodes files.

All functions are synchronous and use bounded memory. Call them in threads.
"""

from soundwright.kit.audio.containers import SUPPORTED_FORMATS, sniff
from soundwright.kit.audio.decode import AudioFile, decode_blocks, inspect, probe, regroup
from soundwright.kit.audio.encode import (
    AudioWriter,
    Encoding,
    Prefix,
    reencode,
    resample_blocks,
    wav_header,
)
from soundwright.kit.audio.ffmpeg import AudioInfo, AudioLimits, AudioSummary
from soundwright.kit.audio.level import LEVEL_FRAMES, Level
from soundwright.kit.audio.segments import Segment, encode_segment, read_floats, stored_waveform
from soundwright.kit.audio.stem_file import StemCodec, write_stem_file
from soundwright.kit.audio.waveform import PIXEL_FRAMES, Waveform, coarser_waveform, waveform_header

__all__ = [
    "LEVEL_FRAMES",
    "PIXEL_FRAMES",
    "SUPPORTED_FORMATS",
    "AudioFile",
    "AudioInfo",
    "AudioLimits",
    "AudioSummary",
    "AudioWriter",
    "Encoding",
    "Level",
    "Prefix",
    "Segment",
    "StemCodec",
    "Waveform",
    "coarser_waveform",
    "decode_blocks",
    "encode_segment",
    "inspect",
    "probe",
    "read_floats",
    "reencode",
    "regroup",
    "resample_blocks",
    "sniff",
    "stored_waveform",
    "wav_header",
    "waveform_header",
    "write_stem_file",
]
