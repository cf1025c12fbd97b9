"""What the papers chose from their own measurements."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from polytask.relatedness.grouping import CandidateNetwork, choose_networks, group_by_affinity, predict_from_pairs

BUDGETS = (1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5)

# Total test loss of the networks that validation losses choose (Standley et al., ICML 2020, figure 4 and its appendix, as plotted).
PUBLISHED = {
    ("results", "optimal"): (0.50278, 0.46132, 0.45224, 0.44612, 0.44235, 0.43932, 0.43555, 0.43555, 0.43481),
    ("results", "pairs"): (0.50278, 0.46132, 0.45474, 0.45050, 0.44875, 0.44489, 0.44112, 0.44552, 0.44196),
    ("results_large", "optimal"): (0.35989, 0.35478, 0.31733, 0.31450, 0.30606, 0.30490, 0.30190, 0.30190, 0.30167),
    ("results_large", "pairs"): (0.35989, 0.35758, 0.31733, 0.31562, 0.31177, 0.30525, 0.30190, 0.30190, 0.30187),
    ("results_small_data", "optimal"): (0.42998, 0.42275, 0.40857, 0.38776, 0.38352, 0.38352, 0.38249, 0.38249, 0.38249),
    ("results_small_data", "pairs"): (0.42998, 0.44778, 0.40887, 0.38776, 0.38352, 0.38682, 0.38574, 0.38574, 0.38471),
    ("results_alt", "optimal"): (0.68404, 0.67870, 0.67460, 0.67107, 0.66970, 0.66970, 0.66899, 0.66899, 0.66899),
    ("results_alt", "pairs"): (0.68404, 0.67870, 0.67460, 0.67107, 0.66970, 0.67187, 0.67050, 0.67050, 0.67050),
}

# Affinities on Taskonomy as measured by Fifty et al. (NeurIPS 2021): the column's task onto the row's.
NAMES = ("segmentation", "depth", "normals", "keypoints", "edges")
ONTO_ROWS = np.array(
    [
        [11.999321, 0.115374, 0.048910, 0.004547, 0.008776],
        [0.413559, 7.327637, 0.291415, 0.013537, 0.073957],
        [0.139824, 0.220962, 1.070989, 0.010494, 0.076460],
        [0.021099, 0.013366, 0.010729, 0.733884, 0.689736],
        [0.056692, 0.036683, 0.036007, 0.303721, 5.966191],
    ]
)


@pytest.mark.parametrize("setting", list(PUBLISHED), ids=" ".join)
def test_choices_from_measured_subsets_are_the_published_ones(
    taskonomy: Callable[[str], list[CandidateNetwork]], setting: tuple[str, str]
) -> None:
    file, way = setting
    validation, test = taskonomy(file), taskonomy(f"{file}_test")
    of = {(frozenset(candidate.losses), candidate.cost): candidate.losses for candidate in test}
    candidates = validation if way == "optimal" else predict_from_pairs(validation, NAMES)
    for budget, expected in zip(BUDGETS, PUBLISHED[setting], strict=True):
        found = choose_networks(candidates, budget)
        networks = [of[frozenset(candidates[number].losses), candidates[number].cost] for number in found.chosen]
        total = sum(networks[network][task] for task, network in found.served_by.items())
        assert total == pytest.approx(expected, abs=6e-6), budget
        assert found.gap == 0


@pytest.mark.parametrize(
    ("groups", "mean", "networks"),
    [
        (1, 0.12929, [{"segmentation", "depth", "normals", "keypoints", "edges"}]),
        (2, 0.32170, [{"keypoints", "edges"}, {"segmentation", "depth", "normals"}]),
        (3, 0.34867, [{"segmentation", "depth"}, {"depth", "normals"}, {"keypoints", "edges"}]),
    ],
)
def test_groups_from_affinities_are_the_published_ones(groups: int, mean: float, networks: list[set[str]]) -> None:
    found = group_by_affinity(ONTO_ROWS.T, NAMES, groups)
    assert -found.total / len(NAMES) == pytest.approx(mean, abs=5e-6)
    assert sorted(map(sorted, found.networks)) == sorted(map(sorted, networks))
