"""The form of a piece: its sections and their lengths."""

from __future__ import annotations

from dataclasses import dataclass

_ENERGY = {"intro": 0.72, "verse": 0.82, "chorus": 1.0, "bridge": 0.7, "outro": 0.75}


@dataclass(frozen=True)
class Section:
    """A section of the form."""

    kind: str  # intro, verse, chorus, bridge or outro
    bars: int  # length in bars

    @property
    def energy(self) -> float:
        """Loudness of all players, 0 to 1."""
        return _ENERGY[self.kind]


def form(bars: int, *, has_intro: bool = True, has_outro: bool = True, follows: bool = False) -> tuple[Section, ...]:
    """Return a form of exactly ``bars`` bars, at least 1.

    Sections have four or eight bars. There is an intro and an outro if they fit. What follows the chorus of another part begins with one.
    """
    if bars <= 3:
        return (Section("chorus", bars),)
    intro = 0 if not has_intro else 1 if bars < 6 else 2 if bars < 20 else 4
    outro = 0 if not has_outro or bars < 12 else 2 if bars < 28 else 4
    left = bars - intro - outro
    unit = 2 if left < 8 else 4 if left < 24 else 8
    cycle = ("verse", "chorus", "verse", "chorus", "bridge", "chorus")
    sections = [Section("intro", intro)] if intro else []
    turn = int(follows)
    while left > 0:
        kind = cycle[turn % len(cycle)]
        length = min(left, unit // 2 if kind == "bridge" and unit > 2 else unit)
        if left - length < unit // 2:
            length = left  # avoid a very short last section
        if left == length:
            kind = "chorus"
        sections.append(Section(kind, length))
        left -= length
        turn += 1
    if outro:
        sections.append(Section("outro", outro))
    return tuple(sections)
