"""Speed of the procedural engine on one thread: ``python -m dev.bench.generation``.

Prints for prompts of many kinds how many seconds of audio the engine generates per second, and the highest peak.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
from threadpoolctl import threadpool_limits

from soundwright.services.generation.engines.procedural.engine import ProceduralEngine
from soundwright.services.generation.service import Take

MODELS = {"music": "composer", "audio": "sound-designer"}
PROMPTS = {
    "music": (
        "peaceful ambient piano melody",
        "epic orchestral trailer music",
        "upbeat electronic dance music with heavy bass",
        "lo-fi beats and rain",
        "fast jazz trio",
        "metal riff in E minor",
        "slow waltz with strings",
        "chiptune boss fight",
    ),
    "audio": (
        "thunder and rain",
        "footsteps on gravel",
        "menu click",
        "engine idling",
        "birds in a forest",
        "cheering crowd",
        "explosion with debris",
        "wind over a field",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each clip (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="clips of each prompt (default: %(default)s)")
    options = parser.parse_args()
    engine = ProceduralEngine()
    for model in PROMPTS:
        engine.generate(MODELS[model], [Take("warm up", 5.0, 0)], lambda share: None)
    print("| model | prompt | times real time | peak |\n|---|---|---:|---:|")
    for model, prompts in PROMPTS.items():
        speeds = []
        for prompt in prompts:
            seconds, peak = [], 0.0
            for seed in range(options.rounds):
                started = time.perf_counter()
                [clip] = engine.generate(MODELS[model], [Take(prompt, options.seconds, seed)], lambda share: None)
                seconds.append(time.perf_counter() - started)
                peak = max(peak, float(np.abs(clip.samples).max()))
            speeds.append(options.seconds / statistics.median(seconds))
            print(f"| {model} | {prompt} | {speeds[-1]:.0f} | {peak:.2f} |", flush=True)
        print(f"| {model} | **slowest, median** | **{min(speeds):.0f}, {statistics.median(speeds):.0f}** | |")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
