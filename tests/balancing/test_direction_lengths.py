"""The documentation's table of lengths: rows are what the program gives, and known ratios are among them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from polytask.balancing import CAGrad

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PAGE = (BENCHMARKS.parent / "docs" / "balancers.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("spelled", ["equal", "cagrad", "mgda", "nash-mtl", "pcd", "moco"])
def test_the_page_has_the_program_s_figures(spelled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(BENCHMARKS)])
    from direction_lengths import gradients, ratio

    line = next(line for line in PAGE.splitlines() if line.startswith(f"| `{spelled}` |"))
    assert float(line.split("|")[2]) == pytest.approx(ratio(spelled, gradients("identical", 0)), rel=0.05)


def test_cagrad_enlarges_what_all_agree_on() -> None:
    """(1 + c) / (1 + c²) of the sum with c = 0.4; rescaling 2 keeps the length."""
    rows = torch.ones(3, 4, dtype=torch.float64)
    assert float(CAGrad().aggregate(rows)[0]) == pytest.approx(3 * 1.4 / 1.16)
    assert float(CAGrad(rescale=2).aggregate(rows)[0]) == pytest.approx(3.0)
