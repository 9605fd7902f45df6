"""The six specialists, and which of them a question is for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.analysis.agents.wishes import SEPARATION, wished_work

__all__ = ["DEFAULT", "SPECIALISTS", "Specialist", "choose", "named"]

_COMMON_TOOLS = ("search_tracks", "get_track", "get_analysis")
_SHORT = 3  # letters; a word this short is no beginning of others: "set" is not "settings"


@dataclass(frozen=True)
class Specialist:
    """An agent.

    Args:
        name: as answers show it.
        about: what it is for, in a line that a model chooses by.
        keywords: words, or beginnings of words, that questions for it have.
        capabilities: what a caller may name as the task.
        instructions: what a model is told about the work.
        tools: names of tools, besides those that all have.
    """

    name: str
    about: str
    keywords: tuple[str, ...]
    capabilities: tuple[str, ...]
    instructions: str
    own_tools: tuple[str, ...]

    @property
    def tools(self) -> tuple[str, ...]:
        return (*_COMMON_TOOLS, *self.own_tools)

    def is_meant(self, message: str) -> bool:
        return any(_pattern(keyword).search(message) for keyword in self.keywords)


def _pattern(keyword: str) -> re.Pattern[str]:
    ending = r"(?:s|es|ed|ing)?\b" if len(keyword) <= _SHORT else ""
    return re.compile(rf"\b{keyword}{ending}", re.IGNORECASE)


SPECIALISTS = (
    Specialist(
        "track_analysis_agent",
        "key, tempo, energy, harmony and genre of recordings",
        ("analys", "analyz", "key", "bpm", "tempo", "chord", "harmonic", "genre"),
        ("track_analysis", "key_detection", "bpm_detection", "energy_analysis", "harmonic_analysis"),
        "Explain what was measured of a recording. Say how certain key and tempo are where the analysis says so.",
        ("find_compatible_tracks", "start_analysis"),
    ),
    Specialist(
        "mix_planning_agent",
        "the order of songs in a set, and transitions between them",
        ("mix", "set", "playlist", "transition", "sequence", "order"),
        ("mix_planning", "track_sequencing", "transition_advice", "key_compatibility"),
        "Plan sets by key (Camelot wheel: same, a step up or down, relative), tempo (within 6 %, half and double count) "
        "and energy. Transitions fit phrases of 8, 16 or 32 bars.",
        ("find_compatible_tracks", "propose_set_order", "start_analysis"),
    ),
    Specialist(
        "stem_intelligence_agent",
        "stems of a recording: which there are, what to do with them, separating more",
        ("stem", "vocal", "drum", "bass", "isolat", "separat", "unmix", "acapella", "instrumental"),
        ("stem_analysis", "stem_recommendations", "loop_extraction_advice"),
        "Say which stems there are and how they can be used.",
        ("list_stems", "start_separation"),
    ),
    Specialist(
        "cue_point_agent",
        "cue points, loops, phrases and drops",
        ("cue", "loop", "drop", "phrase", "marker"),
        ("cue_point_analysis", "loop_region_detection", "drop_detection"),
        "Suggest markers at beginnings of phrases of 4, 8, 16 or 32 bars.",
        ("cue_points", "start_analysis"),
    ),
    Specialist(
        "mastering_agent",
        "loudness, peaks and dynamics for a purpose",
        ("master", "loud", "lufs", "dynamic", "eq", "compress", "limiter"),
        ("mastering_advice", "loudness_analysis"),
        "Compare measured loudness with its targets: -14 LUFS streaming, -16 podcasts, -23 broadcast, -6 clubs; true "
        "peaks stay below -1 dBTP.",
        ("loudness_advice", "start_analysis"),
    ),
    Specialist(
        "library_agent",
        "finding and recommending recordings of the library",
        ("librar", "recommend", "find", "search", "similar", "tag", "genre"),
        ("library_search", "track_recommendations", "playlist_curation"),
        "Find recordings by what the user says of them.",
        ("find_compatible_tracks", "list_stems"),
    ),
)
DEFAULT = SPECIALISTS[0]


def named(name: str) -> Specialist | None:
    """The specialist of this name."""
    return next((specialist for specialist in SPECIALISTS if specialist.name == name), None)


def choose(task: str, message: str) -> Specialist | None:
    """Whom the question is for: by the task, else by a wish for stems, else by the first keywords that fit; or nobody."""
    task = task.strip().lower()
    for specialist in SPECIALISTS:
        if task and task in (specialist.name, *specialist.capabilities):
            return specialist
    if SEPARATION in wished_work(message):
        return named("stem_intelligence_agent")
    return next((specialist for specialist in SPECIALISTS if specialist.is_meant(message)), None)
