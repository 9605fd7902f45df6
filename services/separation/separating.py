"""Runs the models of a separation, one after the other. Runs in an engine process."""

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from soundwright.kit import audio
from soundwright.kit.compute import Report
from soundwright.kit.engines import ModelSelection
from soundwright.kit.file_names import encoding_extension
from soundwright.separation.v1.jobs_pb2 import ChainStep, SeparationSpec
from soundwright.services.separation import service
from soundwright.services.separation.ensembles import averaged, strongest
from soundwright.services.separation.plans import all_models, first_models, first_names, stem_names, step_names
from soundwright.services.separation.registry import Registry
from soundwright.services.separation.scratch import ScratchSignal
from soundwright.services.separation.service import ACCOMPANIMENT
from soundwright.services.separation.stems import Files, LiveNote, OutputFile, write_mix, write_stems
from soundwright.services.separation.upright import Upright, rest_of, separated, with_remainder

Blocks = Iterator[Mapping[str, service.Samples]]


@dataclass(frozen=True)
class Run:
    """A model that ran.

    Attributes:
        stem: the stem that it separated; empty: the recording.
        seconds: time in which the engine computed, without loading.
    """

    engine: str
    model: str
    stem: str
    seconds: float


@dataclass(frozen=True)
class Separated:
    """What a separation made.

    Attributes:
        selection: what ran in the place of what was requested.
        runs: the models in the order in which they ran.
        mix: the recording, for players.
    """

    selection: ModelSelection
    runs: Sequence[Run]
    outputs: Files
    mix: OutputFile


def separate(
    registry: Registry,
    report: Report,
    *,
    spec: SeparationSpec,
    mix: audio.AudioFile,
    folder: Path,
    live: Path | None = None,
) -> Separated:
    """Separate a recording, and write the stems to ``folder``.

    Args:
        live: file for notes of what can be heard (:class:`~soundwright.services.separation.stems.LiveNote`). A chain writes none, because
            its stems come one after the other.
        report: called with the completed share of all models together. An exception that it raises stops the work.
    """
    return _Separation(registry, report, spec, mix, folder, live).run()


class _Separation:
    """The models of one job. If there are several, each is unloaded after its run, unless it was loaded before."""

    def __init__(
        self,
        registry: Registry,
        report: Report,
        spec: SeparationSpec,
        mix: audio.AudioFile,
        folder: Path,
        live: Path | None,
    ) -> None:
        self._registry = registry
        self._report = report
        self._spec = spec
        self._parameters = spec.parameters
        self._stems = tuple(spec.parameters.stems)
        self._format = cast(service.Format, spec.parameters.format)
        self._mix = mix
        self._upright = Upright(mix, mix.level)
        self._folder = folder
        self._live = None if spec.parameters.chain else live
        self._runs: list[Run] = []
        # Progress is measured in costs of the models.
        self._costs = [registry.declaration(model).relative_cost or 1.0 for model in all_models(spec.parameters)]

    def run(self) -> Separated:
        spec, registry = self._spec, self._registry
        if len(self._costs) == 1:
            selection = registry.select(spec.model, self._stems)
            self._stems = self._stems or _parts_beside_accompaniment(registry, spec.model, selection.model)
            names = service.result_stems(self._stems, registry.declaration(selection.model).outputs)
            outputs = self._separate_mix([selection.model], names, {})
        else:
            outputs = self._separate_by_plan()
            engines = "+".join(dict.fromkeys(run.engine for run in self._runs))
            selection = ModelSelection(engines, spec.model, spec.model)
        return Separated(selection, self._runs, outputs, write_mix(self._mix, self._folder, self._report))

    def _separate_by_plan(self) -> Files:
        parameters = self._parameters
        inputs = {step.stem: self._signal(step.stem) for step in parameters.chain}
        made = self._separate_mix(first_models(parameters), first_names(parameters, self._registry), inputs)
        for step in parameters.chain:
            made += self._separate_stem(step, inputs)
        by_name = {output.name: (output, file) for output, file in made}
        return [by_name[name] for name in stem_names(parameters, self._registry)]

    def _separate_mix(self, models: Sequence[str], names: Sequence[str], inputs: Mapping[str, ScratchSignal]) -> Files:
        combine = self._parameters.combine
        stems = self._stems or names
        stored: list[dict[str, ScratchSignal]] = []
        for model in models[:-1]:
            stored.append({stem: self._signal(f"{len(stored)}.{stem}") for stem in stems})
            with self._running(model) as (engine, report):
                blocks = self._blocks(engine, self._upright, model, stems)
                write_stems(blocks, self._mix, {}, self._format, report, stored[-1])
        with self._running(models[-1]) as (engine, report):
            blocks = self._blocks(engine, self._upright, models[-1], stems)
            if combine == "average":
                blocks = averaged(stored, blocks, self._parameters.weights or [1.0] * len(models))
            elif combine == "max_magnitude":
                blocks = strongest(stored, blocks, self._mix.sample_rate_hz)
            if len(stems) < len(names):
                blocks = with_remainder(blocks, self._mix, ACCOMPANIMENT)
            elif combine == "max_magnitude":
                blocks = with_remainder(blocks, self._mix, rest_of(names))
            live = LiveNote(self._live, "+".join(models)) if self._live else None
            made = self._write(blocks, self._mix, names, inputs, report, live)
        for signals in stored:
            for signal in signals.values():
                signal.delete()
        return made

    def _separate_stem(self, step: ChainStep, inputs: Mapping[str, ScratchSignal]) -> Files:
        source = inputs[step.stem]
        names = step_names(step, self._registry)
        with self._running(step.model, step.stem) as (engine, report):
            blocks = (
                {names[stem]: samples for stem, samples in block.items()}
                for block in self._blocks(engine, Upright(source), step.model)
            )
            made = self._write(blocks, source, list(names.values()), inputs, report)
        source.delete()
        return made

    def _blocks(self, engine: service.Engine, mix: Upright, model: str, stems: Collection[str] | None = None) -> Blocks:
        return separated(engine, mix, model, self._registry.declaration(model).outputs, stems)

    def _write(
        self,
        blocks: Blocks,
        mix: service.Mix,
        names: Sequence[str],
        inputs: Mapping[str, ScratchSignal],
        report: Report,
        live: LiveNote | None = None,
    ) -> Files:
        """Write those stems that are inputs of later steps to scratch files, and the others to files of the result."""
        files = self._files([name for name in names if name not in inputs])
        scratch = {name: inputs[name] for name in names if name in inputs}
        return write_stems(blocks, mix, files, self._format, report, scratch, live)

    @contextlib.contextmanager
    def _running(self, model: str, stem: str = "") -> Iterator[tuple[service.Engine, Report]]:
        """Load the next model for the length of the block. Provides its engine and its progress callback."""
        begin, cost, whole = sum(self._costs[: len(self._runs)]), self._costs[len(self._runs)], sum(self._costs)
        with self._registry.use(model, keep=len(self._costs) == 1) as engine:
            started = time.monotonic()
            yield engine, lambda share: self._report((begin + cost * share) / whole)
            self._runs.append(Run(engine.name, model, stem, time.monotonic() - started))

    def _files(self, names: Sequence[str]) -> dict[str, Path]:
        return {name: self._folder / f"{name}.{encoding_extension(self._format)}" for name in names}

    def _signal(self, name: str) -> ScratchSignal:
        return ScratchSignal(self._folder / f"{name}.f32", self._mix)


def _parts_beside_accompaniment(registry: Registry, requested: str, used: str) -> tuple[str, ...]:
    """Return the stems to request of a fallback, so that it has the accompaniment as the requested model has; empty: all."""
    wanted, has = registry.declaration(requested).outputs, registry.declaration(used).outputs
    if ACCOMPANIMENT in wanted and ACCOMPANIMENT not in has:
        return tuple(stem for stem in wanted if stem != ACCOMPANIMENT)
    return ()
