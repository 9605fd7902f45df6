"""Predict waiting times and the use of GPUs for the KEDA settings of the manifests, and for others.

python -m simulation [--queue separation] [--times FILE] [--gpu-nodes 4] ...

The output is Markdown. docs/SCALING.md explains the model and the options.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from simulation.model import Platform, simulate
from simulation.policy import KEDA, drain_seconds, read_policies
from simulation.report import Figures, table
from simulation.scenarios import DAY_SECONDS, LOADS, alternatives, job_times

_WORKERS = {
    "separation": "soundwright-separation-worker",
    "generation": "soundwright-generation-worker",
    "analysis": "soundwright-analysis",
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m simulation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--queue", choices=_WORKERS, default="separation", help="default: %(default)s")
    parser.add_argument(
        "--manifests", type=Path, metavar="FOLDER", default=KEDA, help="YAML files with ScaledObjects (default: ours)"
    )
    parser.add_argument("--times", type=Path, metavar="FILE", help="JSON list of job times in seconds")
    parser.add_argument("--gpu-nodes", type=int, default=4, help="GPU nodes with one GPU each (default: %(default)s)")
    parser.add_argument(
        "--node-start", type=float, default=0.0, help="seconds until a new node is ready; 0: nodes stay"
    )
    parser.add_argument("--pull", type=float, default=90.0, help="seconds to pull the image (default: %(default)g)")
    parser.add_argument(
        "--start", type=float, default=10.0, help="seconds until a worker is ready (default: %(default)g)"
    )
    parser.add_argument("--load", type=float, default=5.0, help="seconds to load the model (default: %(default)g)")
    parser.add_argument(
        "--slots",
        type=int,
        default=1,
        help="parallel jobs in a worker; their --times are those of so many at once (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    options = parser.parse_args(arguments)
    name = _WORKERS[options.queue]
    platform = Platform(
        node_count=options.gpu_nodes,
        node_start_seconds=options.node_start,
        pull_seconds=options.pull,
        start_seconds=options.start,
        load_seconds=options.load,
        slot_count=options.slots,
        drain_seconds=drain_seconds(name),
    )
    times = job_times(options.queue, options.times, random.Random(options.seed))
    print(
        f"{options.queue}: {', '.join(f'{field.name} {getattr(platform, field.name):g}' for field in fields(platform))}"
    )
    print(f"Mean time of a job: {sum(times) / len(times):.1f} s.")
    for load in LOADS:
        rows = []
        for policy_name, policy in alternatives(read_policies(options.manifests)[name], options.gpu_nodes).items():
            jobs = load.jobs(times, options.gpu_nodes, random.Random(options.seed))
            rows.append((policy_name, Figures.of(simulate(jobs, policy, platform, DAY_SECONDS), options.slots).cells()))
        print(f"\n{load.name[0].upper()}{load.name[1:]}: {len(jobs)} jobs\n\n{table(rows)}")


if __name__ == "__main__":
    main()
