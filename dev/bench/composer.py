"""What listeners get from the composer: ``python -m dev.bench.composer``.

A network that was trained on real music tags clips of many prompts (``dev.bench._musicnn`` says how it is installed). For each concept,
the AUC is the share of pairs of a clip that was to have it and one that was not in which the former scores higher. The other figures
are facts of the audio and of the score.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Mapping, Sequence

import librosa
import numpy as np
from numpy.typing import NDArray

from dev.bench._composer_prompts import DEVELOPMENT, SETS
from dev.bench._musicnn import RATE_HZ, Tagger
from dev.bench.analysis_quality import key_score, our_reading
from soundwright.services.generation.engines.procedural.compose import compose_parts, seed_for
from soundwright.services.generation.engines.procedural.engine import ProceduralEngine
from soundwright.services.generation.engines.procedural.render import render_stems
from soundwright.services.generation.level import levelled
from soundwright.services.generation.service import Part, Take

Samples = NDArray[np.float32]

KEYS = ("C major", "A minor", "E flat major", "F sharp minor", "G major", "D minor", "B flat major", "C minor")
KEY_STYLES = ("pop", "jazz", "rock", "folk", "house", "cinematic", "funk", "classical")
LOOPS = (
    "house loop at 124 bpm",
    "funk loop",
    "waltz loop at 100 bpm",
    "trap loop at 140 bpm",
    "jazz loop",
    "ambient loop",
)
SEEDS_OF = ("pop", "rock", "jazz")
STEPS = 16
_ENGINE = ProceduralEngine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=12.0, help="length of each clip (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=1, help="clips of each prompt (default: %(default)s)")
    parser.add_argument("--prompts", choices=SETS, default="development", help="set of prompts (default: %(default)s)")
    parser.add_argument("--concepts", action="store_true", help="print the AUC of each concept")
    options = parser.parse_args()
    started = time.perf_counter()
    prompts = SETS[options.prompts]
    takes = [(prompt, Take(prompt, options.seconds, seed + 1)) for prompt in prompts for seed in range(options.seeds)]
    made = [(prompt, _clip(take)) for prompt, take in takes]
    speed = len(made) * options.seconds / (time.perf_counter() - started)
    aucs = _aucs(made, prompts)
    shorts = [_clip(Take(prompt, 8.0, 3)) for prompt in list(DEVELOPMENT)[::3]]
    print("| measure | value |\n|---|---:|")
    print(f"| AUC, mean of {len(aucs)} concepts | {statistics.mean(aucs.values()):.3f} |")
    print(f"| concepts below 0.7 | {sum(auc < 0.7 for auc in aucs.values())} |")
    print(f"| key as requested | {_key_points():.2f} |")
    print(
        f"| melody of an 8 s clip ends at, share | {statistics.median(map(_melody_end, list(DEVELOPMENT)[::3])):.2f} |"
    )
    print(f"| 8 s clips without a note in the last quarter | {_silent_ends(shorts):.2f} |")
    print(f"| loops of whole bars | {_whole_loops()} of {len(LOOPS)} |")
    print(f"| likeness of rhythm, ten seeds | {_likeness():.2f} |")
    print(f"| level above 6 kHz, dB | {statistics.mean(_treble_db(clip) for _, clip in made):.1f} |")
    print(f"| crest, dB | {statistics.mean(_crest_db(clip) for _, clip in made):.1f} |")
    print(f"| side against middle, dB | {statistics.mean(_side_db(clip) for _, clip in made):.1f} |")
    print(f"| times real time, with loudness | {speed:.0f} |")
    low = sorted((auc, tag) for tag, auc in aucs.items() if options.concepts or auc < 0.7)
    print("\n" + ", ".join(f"{tag} {auc:.2f}" for auc, tag in low))


def _clip(take: Take) -> Samples:
    [clip] = _ENGINE.generate("composer", [take], lambda share: None)
    return levelled(clip.samples, clip.sample_rate_hz)


def _mono(samples: Samples) -> Samples:
    return librosa.resample(samples.mean(axis=0), orig_sr=44_100, target_sr=RATE_HZ)


def _aucs(made: Sequence[tuple[str, Samples]], prompts: Mapping[str, str]) -> dict[str, float]:
    """Return the AUC of each concept that at least one prompt asks for."""
    tagger = Tagger()
    tags = [(set(prompts[prompt].split(", ")), tagger.tags(_mono(samples))) for prompt, samples in made]
    aucs = {}
    for tag in sorted(set().union(*(wanted for wanted, _ in tags))):
        with_it = np.array([found[tag] for wanted, found in tags if tag in wanted])
        others = np.array([found[tag] for wanted, found in tags if tag not in wanted])
        aucs[tag] = float(np.mean(with_it[:, None] > others))
    return aucs


def _key_points() -> float:
    points = []
    for number, (key, style) in enumerate(
        (key, style)
        for shift in (0, 3)
        for key, style in zip(KEYS, (*KEY_STYLES[shift:], *KEY_STYLES[:shift]), strict=True)
    ):
        letter, *accidental, mode = key.split()
        spelled = letter + {"flat": "b", "sharp": "#"}.get("".join(accidental), "") + " " + mode
        heard = our_reading(_clip(Take(f"{style} in {key}", 12.0, number)).T).key
        points.append(key_score(heard, spelled))
    return statistics.mean(points)


def _melody_end(prompt: str) -> float:
    """Return the share of a clip of 8 s after which the melody is 30 dB below its own level."""
    piece = compose_parts((Part(prompt, 8.0, 3),))
    stems = render_stems(piece.song, 44_100, seed_for(prompt, 3))
    envelope = librosa.feature.rms(y=stems["vocals"].mean(axis=0), frame_length=2048, hop_length=512)[0]
    if not envelope.any():
        return 1.0
    loud = np.flatnonzero(envelope > 10 ** (-30 / 20) * np.percentile(envelope, 95))
    return float((loud[-1] + 1) / len(envelope))


def _silent_ends(clips: Sequence[Samples]) -> float:
    late = [
        librosa.onset.onset_detect(y=_mono(clip), sr=RATE_HZ, units="time").max(initial=0.0) > 6.0 for clip in clips
    ]
    return 1.0 - float(np.mean(late))


def _whole_loops() -> int:
    whole = 0
    for prompt in LOOPS:
        piece = compose_parts((Part(prompt, 9.7, 1, is_loop=True),))
        bars = piece.duration_seconds * piece.song.tempo_bpm / 60 / piece.song.beats_per_bar
        asked = [float(word) for word in prompt.split() if word.isdigit()]
        whole += int(abs(bars - round(bars)) < 1e-6 and (not asked or abs(piece.song.tempo_bpm - asked[0]) < 1e-6))
    return whole


def _likeness() -> float:
    """Return the mean likeness (cosine) of the mean bar of the onsets in ten clips that differ in their seeds alone."""
    likeness = []
    for prompt in SEEDS_OF:
        bars = []
        for seed in range(10):
            song = compose_parts((Part(prompt, 8.0, seed),)).song
            onsets = librosa.onset.onset_strength(y=_mono(_clip(Take(prompt, 8.0, seed))), sr=RATE_HZ, hop_length=160)
            beats = librosa.frames_to_time(np.arange(len(onsets)), sr=RATE_HZ, hop_length=160) * song.tempo_bpm / 60
            steps = np.round(beats / song.beats_per_bar * STEPS).astype(int) % STEPS
            bars.append(np.array([onsets[steps == step].mean() for step in range(STEPS)]))
        unit = np.stack([bar / np.linalg.norm(bar) for bar in bars])
        likeness += [float(one @ other) for one, other in itertools.combinations(unit, 2)]
    return statistics.mean(likeness)


def _treble_db(samples: Samples) -> float:
    power = np.abs(np.fft.rfft(samples.mean(axis=0))) ** 2
    above = round(6_000 / 22_050 * len(power))
    return float(10 * np.log10(power[above:].sum() / power.sum()))


def _crest_db(samples: Samples) -> float:
    return float(20 * np.log10(np.abs(samples).max() / np.sqrt(np.mean(samples**2))))


def _side_db(samples: Samples) -> float:
    middle, side = samples[0] + samples[1], samples[0] - samples[1]
    return float(10 * np.log10((np.mean(side**2) + 1e-12) / np.mean(middle**2)))


if __name__ == "__main__":
    main()
