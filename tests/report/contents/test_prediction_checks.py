"""Calibration and residuals, computed from predictions whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from polytask.report.contents.prediction_checks import reliabilities, residual_profiles


def frame_of(target: object, prediction: object, probability: object = np.nan, task: str = "t") -> pd.DataFrame:
    columns = {"target": target, "prediction": prediction, "probability": probability}
    return pd.DataFrame(columns).assign(arm="equal", task=task, split="test")


def test_bins_hold_what_the_probabilities_say() -> None:
    """Of the units with probability p of "yes", exactly the share p has it, so that the calibration error is 0."""
    probability = np.repeat(np.arange(0.05, 1, 0.1), 20)
    true = np.concatenate([np.arange(20) < round(20 * p) for p in np.arange(0.05, 1, 0.1)])
    frame = frame_of(np.where(true, "yes", "no"), np.where(probability > 0.5, "yes", "no"), np.where(true, probability, 1 - probability))
    (found,) = reliabilities(frame, ["t"])
    assert (found.label, found.units) == ("yes", 200)
    np.testing.assert_allclose(found.predicted, np.arange(0.05, 1, 0.1))
    np.testing.assert_allclose(found.observed, np.arange(0.05, 1, 0.1))
    assert found.calibration_error == pytest.approx(0, abs=1e-12)


def test_one_probability_for_all_is_as_wrong_as_its_distance_from_the_share() -> None:
    true = np.arange(100) % 4 == 0
    (found,) = reliabilities(frame_of(np.where(true, "1", "0"), "0", np.where(true, 0.75, 0.25)), ["t"])
    # The bins of equal probabilities follow the order of the file: half of them have two of ten, half three, so errors do not cancel.
    assert found.calibration_error == pytest.approx(0.5)


def test_more_classes_missing_probabilities_and_few_units_have_no_calibration() -> None:
    three = frame_of(np.resize(["a", "b", "c"], 90), "a", 0.4)
    missing = frame_of(np.resize(["a", "b"], 90), "a")
    few = frame_of(np.resize(["a", "b"], 49), "a", 0.4)
    assert not [one for frame in (three, missing, few) for one in reliabilities(frame, ["t"])]


def test_residuals_are_told_by_predicted_value() -> None:
    guess = np.arange(100.0)
    (found,) = residual_profiles(frame_of((guess + 2).astype(str), guess.astype(str)), ["t"])
    assert (found.bias, found.spread) == (2.0, 0.0)
    assert [(one.predicted, one.low, one.median, one.high) for one in found.bins] == [(10 * i + 4.5, 2.0, 2.0, 2.0) for i in range(10)]
    rng = np.random.default_rng(0)
    noise = rng.normal(size=100)
    (other,) = residual_profiles(frame_of((guess + noise).astype(str), guess.astype(str)), ["t"])
    np.testing.assert_allclose([one.median for one in other.bins], np.median(noise.reshape(10, 10), axis=1))
    np.testing.assert_allclose([one.high for one in other.bins], np.quantile(noise.reshape(10, 10), 0.9, axis=1))


def test_predictions_that_are_no_numbers_have_no_residuals() -> None:
    assert residual_profiles(frame_of(["1 2"] * 60, "1"), ["t"]) == ()
