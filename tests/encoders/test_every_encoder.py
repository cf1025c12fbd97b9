"""What every encoder does."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from polytask.architectures import NetworkPlan
from polytask.encoders import initialize
from polytask.encoders.initial_weights import INITIALIZATIONS
from polytask.errors import ConfigError
from polytask.registry import find, names
from polytask.registry.constructor_calls import call_of, named_options
from polytask.registry.registered import spec_of
from polytask.registry.resolve import resolve
from polytask.tasks import Regression

SPECS_WITHOUT_TORCH = """
import json, sys
from polytask.registry import specs_of
print(json.dumps({spec.name: [spec.title, spec.summary, spec.needs, spec.target] for spec in specs_of("encoder")}))
assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def specs() -> dict[str, list[str]]:
    """What a process without PyTorch reads of every encoder."""
    done = subprocess.run([sys.executable, "-c", SPECS_WITHOUT_TORCH], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def accurate(row: Any) -> Any:
    """One in float64."""
    return row.make().double()


def places(row: Any) -> tuple[int, ...]:
    """A summary and the words, where features have tokens."""
    return (1 + row.input_shape[0],) if row.make().tokens else ()


def test_every_encoder_has_a_row(rows: Any) -> None:
    assert {row.name for row in rows} == set(names("encoder"))


def test_its_specification_is_read_without_pytorch(row: Any, specs: dict[str, list[str]]) -> None:
    spec = find("encoder", row.name)
    assert specs[row.name] == [spec.title, spec.summary, spec.needs, spec.target]
    assert all(specs[row.name][:2])
    assert spec_of(type(row.make()), "encoder") == spec


def test_features_have_the_width_that_it_declares(row: Any) -> None:
    encoder = accurate(row)
    assert (encoder.features, encoder.input_shape) == (row.features, row.input_shape)
    for rows in (1, 2, 7):
        found = encoder(row.inputs(rows))
        assert found.shape == (rows, *places(row), row.features)
        assert bool(torch.isfinite(found).all())
        assert encoder(encoder.example(rows).to(row.inputs(1).dtype)).shape == found.shape


def test_its_stages_one_after_the_other_are_itself(row: Any) -> None:
    encoder, inputs = accurate(row), row.inputs()
    assert torch.equal(nn.Sequential(*encoder.stages)(inputs), encoder(inputs))
    assert torch.equal(nn.Sequential(encoder.stem, *encoder.body)(inputs), encoder(inputs))
    everything = {id(parameter) for parameter in encoder.parameters()}
    for parts in (encoder.stages, (encoder.stem, *encoder.body), encoder.pieces):
        assert {id(parameter) for part in parts for parameter in part.parameters()} == everything


def test_a_gradient_reaches_all_parameters(row: Any) -> None:
    encoder = accurate(row)
    encoder(row.inputs(40)).square().sum().backward()
    missed = [name for name, own in encoder.named_parameters() if own.grad is None or not bool(own.grad.any())]
    assert not missed
    assert all(bool(torch.isfinite(parameter.grad).all()) for parameter in encoder.parameters())


def test_evaluation_repeats_and_changes_nothing(row: Any) -> None:
    encoder, inputs = accurate(row), row.inputs()
    before, state = inputs.clone(), copy.deepcopy(encoder.state_dict())
    random = torch.get_rng_state()
    assert torch.equal(encoder(inputs), encoder(inputs))
    assert torch.equal(inputs, before)
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(value, state[name]) for name, value in encoder.state_dict().items())


def test_rows_do_not_know_of_each_other_in_evaluation(row: Any) -> None:
    """Features are sums of at most some hundred terms of size 1: kernels for other numbers of rows round them by less than 1e-12."""
    encoder, inputs = accurate(row), row.inputs()
    together = encoder(inputs)
    for number in range(len(inputs)):
        assert torch.allclose(together[number : number + 1], encoder(inputs[number : number + 1]), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1)], ids=["float32", "bfloat16"])
def test_features_have_the_dtype_of_the_parameters(row: Any, dtype: torch.dtype, bound: float) -> None:
    """They are those of float64, up to the round-off of some layers: 100 ε of float32, 12 ε of bfloat16."""
    encoder = row.make().to(dtype)
    inputs = row.inputs() if row.codes else row.inputs().to(dtype)
    with torch.no_grad():
        found, exact = encoder(inputs), encoder.double()(inputs if row.codes else inputs.double())
    assert found.dtype == dtype
    assert float((found.double() - exact).norm()) <= bound * float(exact.norm())


def test_a_step_against_the_gradient_descends(row: Any) -> None:
    encoder, inputs = accurate(row), row.inputs(20)
    targets = torch.randn(20, *places(row), row.features, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def loss() -> Tensor:
        return (encoder(inputs) - targets).square().mean()

    before = loss()
    slopes = torch.autograd.grad(before, list(encoder.parameters()))
    square = sum(float(slope.square().sum()) for slope in slopes)
    step = 1e-7
    with torch.no_grad():
        for parameter, slope in zip(encoder.parameters(), slopes, strict=True):
            parameter -= step * slope
    assert float((before - loss()).detach()) == pytest.approx(step * square, rel=1e-2)


def test_stored_parameters_give_the_same_features(row: Any, tmp_path: Path) -> None:
    first, second = row.make(seed=0), row.make(seed=1)
    inputs = row.inputs() if row.codes else row.inputs().float()
    assert not torch.equal(first(inputs), second(inputs))
    save_file(first.state_dict(), tmp_path / "encoder.safetensors")
    second.load_state_dict(load_file(tmp_path / "encoder.safetensors"))
    assert torch.equal(first(inputs), second(inputs))
    assert torch.equal(copy.deepcopy(first)(inputs), first(inputs))


def test_a_plan_in_a_file_builds_it_again(row: Any) -> None:
    options = dict(resolve("encoder", row.spelled).options)
    plan = NetworkPlan(row.name, row.input_shape, options, hidden=(), facts=dict(row.facts))
    again = NetworkPlan.from_dict(json.loads(json.dumps(plan.to_dict())))
    first, second = (one.build((Regression(name="a"),), 3).state_dict() for one in (plan, again))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("scheme", INITIALIZATIONS)
def test_its_start_is_its_seeds(row: Any, scheme: str) -> None:
    starts, random = [], torch.get_rng_state()
    for made, seed in ((row.make(0), 3), (row.make(1), 3), (row.make(0), 4)):
        random = torch.get_rng_state()
        initialize(made, scheme, seed)
        assert torch.equal(random, torch.get_rng_state())
        starts.append(nn.utils.parameters_to_vector(made.parameters()))
    assert torch.equal(starts[0], starts[1])
    assert not torch.equal(starts[0], starts[2])
    assert bool(torch.isfinite(starts[0]).all())


def test_what_it_prints_builds_it_again(row: Any) -> None:
    made = row.make()
    for text in (str(made), repr(made)):
        again = resolve("encoder", text)
        assert again.spec == find("encoder", row.name)
        assert named_options(call_of(again.build(row.input_shape))) == named_options(call_of(made))
    assert str(made).startswith(row.name)
    assert repr(made).startswith(type(made).__name__ + "(")


def test_inputs_that_it_refuses_are_one_line(row: Any, refused: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=rf"^encoder '{row.name}'") as caught:
        row.make(input_shape=refused)
    assert "\n" not in str(caught.value)


def test_options_that_it_refuses_are_one_line(row: Any, wrong: str) -> None:
    with pytest.raises(ConfigError, match=row.name) as caught:
        resolve("encoder", f"{row.name}({wrong})").build(row.input_shape, **row.facts)
    assert "\n" not in str(caught.value)
    assert wrong.partition("=")[0] in str(caught.value)


def test_an_unknown_option_is_one_line_with_the_nearest(row: Any) -> None:
    option = next(iter(resolve("encoder", row.spelled).options), "folder")
    with pytest.raises(ConfigError, match=rf"{row.name}.*Did you mean .*'{option}'") as caught:
        resolve("encoder", f"{row.name}({option}s=1)")
    assert "\n" not in str(caught.value)
