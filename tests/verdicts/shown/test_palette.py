"""Colors can be told apart by everybody, on light and on dark pages."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import polytask
from polytask.verdicts.shown.palette import ARM_COLORS, CLAIM_SIGNS, DARK, INK, MUTED, PAPER, arm_styles, themed

STYLE = Path(polytask.__file__).parent / "report" / "pages" / "templates" / "style.css"
# Machado, Oliveira and Fernandes 2009, severity 1, in linear RGB.
VISIONS = {
    "common": np.eye(3),
    "protanope": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranope": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "tritanope": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
WHITE = np.array([0.95047, 1.0, 1.08883])


def linear(color: str) -> NDArray[np.float64]:
    shares = np.array([int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2."""
    low, high = sorted(float(linear(color) @ TO_XYZ[1]) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(color: str, vision: str) -> NDArray[np.float64]:
    shares = TO_XYZ @ np.clip(VISIONS[vision] @ linear(color), 0, 1) / WHITE
    roots = np.where(shares > 0.008856, np.cbrt(shares), 7.787 * shares + 16 / 116)
    return np.array([116 * roots[1] - 16, 500 * (roots[0] - roots[1]), 200 * (roots[1] - roots[2])])


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("dark", [False, True])
def test_any_two_arms_have_colors_apart(vision: str, dark: bool) -> None:
    colors = [DARK[color] if dark else color for color in ARM_COLORS]
    assert min(np.linalg.norm(lab(one, vision) - lab(other, vision)) for one, other in combinations(colors, 2)) > 15


@pytest.mark.parametrize("dark", [False, True])
def test_lines_and_texts_stand_out_from_their_background(dark: bool) -> None:
    paper = DARK[PAPER] if dark else PAPER
    assert min(contrast(DARK[color] if dark else color, paper) for color in ARM_COLORS) >= 3
    assert min(contrast(DARK[color] if dark else color, paper) for color in (INK, MUTED)) >= 4.5


@pytest.mark.parametrize("dark", [False, True])
def test_texts_of_pages_have_the_contrast_of_wcag(dark: bool) -> None:
    """AA: 4.5 for every color of text, on the page, on cards and on figures."""
    light, _, rest = STYLE.read_text(encoding="utf-8").partition("@media (prefers-color-scheme: dark)")
    block = rest.partition("* {")[0] if dark else light
    colors = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", block))
    texts = {"ink", "soft", "accent", *CLAIM_SIGNS}
    assert texts <= set(colors)
    for background in ("page", "card", "figure"):
        assert min(contrast(colors[text], colors[background]) for text in texts) >= 4.5, background
    assert colors["figure"] == (DARK[PAPER] if dark else PAPER)


def test_an_arm_keeps_its_style_whatever_else_is_shown() -> None:
    styles = arm_styles([f"arm {number}" for number in range(20)])
    assert len({(style.color, style.dash) for style in styles.values()}) == 20
    assert arm_styles(["arm 0", "arm 1"])["arm 1"] == styles["arm 1"]


def test_a_picture_without_colors_of_the_palette_is_left_alone() -> None:
    assert themed('<svg><path fill="red"/></svg>') == '<svg><path fill="red"/></svg>'
    assert themed(f'<svg a="b"><path fill="{INK}"/></svg>').startswith('<svg a="b"><style>@media (prefers-color-scheme:dark)')


def test_paper_is_white_whatever_the_theme() -> None:
    printed = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", STYLE.read_text(encoding="utf-8").partition("@media print")[2]))
    assert (printed["page"], printed["figure"]) == ("#ffffff", "#ffffff")
    assert min(contrast(printed[text], "#ffffff") for text in ("ink", "soft", "accent", *CLAIM_SIGNS)) >= 4.5
