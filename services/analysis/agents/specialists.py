"""The six specialists, and the choice of a specialist for a question."""

import re
from dataclasses import dataclass

from soundwright.services.analysis.agents.requested_work import SEPARATION, requested_work

_COMMON_TOOLS = ("search_tracks", "get_track", "get_analysis")
_SHORT = 3  # letters. Keywords this short match whole words only: "set" does not match "settings".


@dataclass(frozen=True)
class Specialist:
    """An agent.

    Args:
        about: one line by which a model chooses the specialist.
        keywords: words, or beginnings of words, that select the specialist.
        capabilities: values of ``task`` that select the specialist.
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
        "key, tempo, energy, harmony, lyrics and genre of recordings",
        ("analys", "analyz", "key", "bpm", "tempo", "chord", "harmonic", "genre", "lyric", "words"),
        ("track_analysis", "key_detection", "bpm_detection", "energy_analysis", "harmonic_analysis"),
        "Explain the measurements of a recording. State the confidence of key and tempo if the analysis has it.",
        ("find_compatible_tracks", "song_form", "lyrics", "start_analysis"),
    ),
    Specialist(
        "mix_planning_agent",
        "the order of songs in a set, and transitions between them",
        ("mix", "set", "playlist", "transition", "sequence", "order"),
        ("mix_planning", "track_sequencing", "transition_advice", "key_compatibility"),
        "Plan sets by key (Camelot wheel: same, a step up or down, relative), tempo (within 6 %, half and double "
        "count) and energy. Transitions fit phrases of 8, 16 or 32 bars.",
        ("find_compatible_tracks", "propose_set_order", "start_analysis"),
    ),
    Specialist(
        "stem_intelligence_agent",
        "stems of a recording: list them, how to use them, separate more",
        ("stem", "vocal", "drum", "bass", "isolat", "separat", "unmix", "acapella", "instrumental"),
        ("stem_analysis", "stem_recommendations", "loop_extraction_advice"),
        "List the stems and how they can be used.",
        ("list_stems", "start_separation"),
    ),
    Specialist(
        "cue_point_agent",
        "cue points, loops, phrases and drops",
        ("cue", "loop", "drop", "phrase", "marker", "chorus", "verse", "section", "bridge"),
        ("cue_point_analysis", "loop_region_detection", "drop_detection"),
        "Suggest markers at the beginnings of phrases of 4, 8, 16 or 32 bars, and of sections. Sections have letters; which of "
        "them is the chorus is a guess.",
        ("cue_points", "song_form", "lyrics", "start_analysis"),
    ),
    Specialist(
        "mastering_agent",
        "loudness, peaks and dynamics for a purpose",
        ("master", "loud", "lufs", "dynamic", "eq", "compress", "limiter"),
        ("mastering_advice", "loudness_analysis"),
        "Compare the measured loudness with the targets: -14 LUFS streaming, -16 podcasts, -23 broadcast, -6 clubs. "
        "True peaks must stay below -1 dBTP.",
        ("loudness_advice", "start_analysis"),
    ),
    Specialist(
        "library_agent",
        "finding and recommending recordings in the library",
        ("librar", "recommend", "find", "search", "similar", "tag", "genre"),
        ("library_search", "track_recommendations", "playlist_curation"),
        "Find recordings by the user's description.",
        ("find_compatible_tracks", "list_stems"),
    ),
)
DEFAULT = SPECIALISTS[0]


def named(name: str) -> Specialist | None:
    return next((specialist for specialist in SPECIALISTS if specialist.name == name), None)


def choose(task: str, message: str) -> Specialist | None:
    """Return the specialist by the task, else by a request for stems, else by the first matching keywords, or None."""
    task = task.strip().lower()
    for specialist in SPECIALISTS:
        if task and task in (specialist.name, *specialist.capabilities):
            return specialist
    if SEPARATION in requested_work(message):
        return named("stem_intelligence_agent")
    return next((specialist for specialist in SPECIALISTS if specialist.is_meant(message)), None)
