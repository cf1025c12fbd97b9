"""Colors of all pictures, light and dark: one style of line per arm, and pictures that follow the theme of their reader.

Lines are apart from their background by a contrast of at least 3, and any two arms by a color difference (CIE76) of at least 15, also as
protanopes, deuteranopes and tritanopes see them (Machado et al., "A physiologically-based model for simulation of color vision deficiency",
IEEE TVCG 2009, severity 1). The tests compute both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PAPER, INK, MUTED, GRID, BAND = "#ffffff", "#24292f", "#57606a", "#e4e8ec", "#eaeef2"
# The first is the baseline's.
ARM_COLORS = (INK, "#0042a8", "#932a05", "#1e8d52", "#a37caa", "#78971b", "#3e8df6", "#746dbe")
DASHES = ((), (), (7, 3), (2, 3), (9, 3, 2, 3), (5, 2), (1, 2), (12, 3))
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
MORE_DASHES = ((4, 4), (10, 5), (3, 1), (6, 1, 1, 1))
CLAIM_SIGNS = {"helps": "▲", "hurts": "▼", "same": "=", "unclear": "?"}
SHARED_PART, PRIVATE_PART = "#0072b2", "#9aa4ae"

DARK: Mapping[str, str] = {
    PAPER: "#161b22", INK: "#e6edf3", MUTED: "#9aa5b1", GRID: "#30363d", BAND: "#2a313a",
    "#0042a8": "#5b81df", "#932a05": "#d46237", "#1e8d52": "#34eb9e", "#a37caa": "#a7757c", "#78971b": "#df9a19", "#3e8df6": "#8585a5",
    "#746dbe": "#e79df0",
    SHARED_PART: "#4a9fe0", PRIVATE_PART: "#7d8792",
}  # fmt: skip
"""What takes the place of each color of a picture where the reader prefers dark pages."""


@dataclass(frozen=True)
class ArmStyle:
    """How all pictures draw an arm.

    Attributes:
        color: Color on light pages; `DARK` has that of dark ones.
        dash: Lengths of dashes and gaps of lines; empty for a line without gaps.
        shape: Shape of points, in Vega-Lite's words.
    """

    color: str
    dash: tuple[int, ...]
    shape: str


def arm_styles(arms: Iterable[str]) -> dict[str, ArmStyle]:
    """Return the style of each arm, by its place: the first is the baseline. After eight arms, colors recur with other dashes.

    Args:
        arms: All arms of a study in order, whether or not a picture shows them.

    Example:
        >>> styles = arm_styles(["single", "equal"])
        >>> styles["single"].color == INK, styles["equal"] == arm_styles(["single", "equal", "cagrad"])["equal"]
        (True, True)
    """
    found = {}
    for place, arm in enumerate(dict.fromkeys(arms)):
        turn, own = divmod(place, len(ARM_COLORS))
        dash = DASHES[own] if not turn else MORE_DASHES[(turn - 1) % len(MORE_DASHES)]
        found[arm] = ArmStyle(ARM_COLORS[own], dash, SHAPES[(own + turn) % len(SHAPES)])
    return found


def themed(svg: str) -> str:
    """Return a picture in the colors of the palette, with a style sheet that replaces them where the reader prefers dark pages.

    The style sheet is inside the picture, so that it also works where the picture is the source of an image.

    Args:
        svg: An SVG file whose colors are attributes in hexadecimal.

    Example:
        >>> themed('<svg width="9"><path fill="#24292f"/></svg>').partition("</style>")[0].partition("dark)")[2]
        '{[fill="#24292f"]{fill:#e6edf3}[stroke="#24292f"]{stroke:#e6edf3}}'
    """
    rules = "".join(
        f'[fill="{light}"]{{fill:{dark}}}[stroke="{light}"]{{stroke:{dark}}}' for light, dark in DARK.items() if f'="{light}"' in svg
    )
    head, tag, rest = svg.partition(">")
    return f"{head}{tag}<style>@media (prefers-color-scheme:dark){{{rules}}}</style>{rest}" if rules else svg
