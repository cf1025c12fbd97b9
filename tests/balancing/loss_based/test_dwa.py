"""Dynamic weight average, against its equation on windows that are kept in full."""

from __future__ import annotations

import pytest
import torch

from polytask.balancing import DWA
from polytask.balancing.matrix_to_statistic import MatrixStatistic
from polytask.errors import ConfigError


def step(**losses: float) -> MatrixStatistic:
    values = torch.tensor(list(losses.values()), dtype=torch.float64)
    return MatrixStatistic(torch.zeros(len(losses), 1), values, tuple(losses))


def weights_after(losses: torch.Tensor, window: int, temperature: float) -> torch.Tensor:
    """The paper's equation: `losses` is (steps, T)."""
    tasks = losses.shape[1]
    epochs = [losses[start : start + window].mean(0) for start in range(0, len(losses) - window + 1, window)]
    if len(epochs) < 2:
        return torch.ones(tasks, dtype=torch.float64)
    rates = torch.exp(epochs[-1] / epochs[-2] / temperature)
    return tasks * rates / rates.sum()


@pytest.mark.parametrize("window", [1, 4])
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_at_every_step_the_weights_are_those_of_the_paper(window: int, temperature: float) -> None:
    losses = torch.rand(19, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.1
    balancer = DWA(temperature=temperature, window=window)
    for count in range(len(losses)):
        seen = step(a=losses[count, 0].item(), b=losses[count, 1].item(), c=losses[count, 2].item())
        assert torch.allclose(balancer.weigh(seen).values, weights_after(losses[:count], window, temperature), rtol=1e-12)
        balancer.update_state(seen)


def test_a_worked_example() -> None:
    """Losses fell to a half and to nine tenths: with temperature 2, rates of 1/4 and 9/20 in the exponent."""
    balancer = DWA(window=1)
    for seen in (step(a=8.0, b=1.0), step(a=4.0, b=0.9)):
        balancer.update_state(seen)
    half, tenths = 0.25, 0.45
    share = 1 / (1 + torch.exp(torch.tensor(tenths - half, dtype=torch.float64)))
    assert balancer.weigh(step(a=1.0, b=1.0)).values.tolist() == pytest.approx([2 * share.item(), 2 - 2 * share.item()])


def test_the_units_of_a_task_do_not_matter() -> None:
    metres, millimetres = DWA(window=2), DWA(window=2)
    for count in range(8):
        metres.update_state(step(a=1 / (count + 1), b=1.0))
        millimetres.update_state(step(a=1000 / (count + 1), b=1.0))
    assert torch.allclose(metres.weigh(step(a=1.0, b=1.0)).values, millimetres.weigh(step(a=1.0, b=1.0)).values, rtol=1e-12)


def test_a_task_that_pauses_goes_on_in_its_own_window() -> None:
    paused, alone = DWA(window=2), DWA(window=2)
    for loss in (4.0, 2.0, 3.0, 1.0):
        alone.update_state(step(a=loss))
        paused.update_state(step(a=loss, b=1.0))
        paused.update_state(step(b=1.0))
    assert paused.state_dict()["a"] == alone.state_dict()["a"]


def test_losses_of_0_say_nothing_of_a_rate() -> None:
    balancer = DWA(window=1)
    for loss in (0.0, 5.0):
        balancer.update_state(step(a=loss, b=1.0))
    assert balancer.weigh(step(a=1.0, b=1.0)).values.tolist() == [1.0, 1.0]


def test_a_loss_that_explodes_takes_all_the_weight_and_is_a_number() -> None:
    balancer = DWA(window=1)
    for loss in (1e-300, 1e300):
        balancer.update_state(step(a=loss, b=1.0, c=loss))
    assert balancer.weigh(step(a=1.0, b=1.0, c=1.0)).values.tolist() == [1.5, 0.0, 1.5]


@pytest.mark.parametrize(("options", "where"), [({"temperature": 0.0}, "temperature"), ({"window": 0}, "window")])
def test_what_cannot_be(options: dict[str, float], where: str) -> None:
    with pytest.raises(ConfigError, match=f"dwa, {where}"):
        DWA(**options)  # type: ignore[arg-type]
