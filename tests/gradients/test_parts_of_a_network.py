"""One balancer per part of a network: each part gets what the balancer says to it alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

import polytask as pt
from polytask.errors import ConfigError
from polytask.gradients.primitives.flat_params import FlatParameters

TASKS = ("a", "b", "c")
PARTS = ("encoder", "decoder")


class Network(nn.Module):
    """An encoder, a decoder and a scale, which all tasks share."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5))
        self.decoder = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3))
        self.scale = nn.Parameter(torch.ones(3))
        self.double()

    def losses(self) -> dict[str, Tensor]:
        """The losses of a batch."""
        torch.manual_seed(1)
        outputs = self.decoder(self.encoder(torch.randn(9, 4, dtype=torch.float64))) * self.scale
        mixed, wanted = outputs @ torch.randn(3, 3, dtype=torch.float64), torch.randn(9, 3, dtype=torch.float64)
        return {task: (mixed[:, place] - 3 * wanted[:, place]).square().mean() for place, task in enumerate(TASKS)}

    def gradients(self, balancer: str, names: Sequence[str] | None = None) -> dict[str, Tensor]:
        """`.grad` by name after a step in which these parameters are shared; by default all."""
        shared = {name: p for name, p in self.named_parameters() if names is None or name.startswith(tuple(names))}
        self.zero_grad()
        pt.Backward(balancer, tasks=TASKS, shared=shared, outside="sum")(self.losses())
        return {name: p.grad.clone() for name, p in shared.items() if p.grad is not None}


@pytest.mark.parametrize("inner", ["upgrad", "mgda", "nash-mtl", "moco"])
@pytest.mark.parametrize("groups", ["[encoder, decoder]", "[decoder, encoder, scale]", "part"])
def test_each_part_is_balanced_alone(inner: str, groups: str) -> None:
    network = Network()
    found = network.gradients(f"per-group(groups={groups}):{inner}")
    alone = {name: g for part in (*PARTS, "scale") for name, g in network.gradients(inner, [part]).items()}
    assert found.keys() == alone.keys() == dict(network.named_parameters()).keys()
    for name, gradient in found.items():
        assert torch.allclose(gradient, alone[name], rtol=1e-9, atol=1e-12), name
    together = network.gradients(inner)
    assert any(not torch.allclose(gradient, together[name], rtol=1e-3) for name, gradient in found.items())


def test_the_most_specific_part_applies_and_the_rest_is_a_part() -> None:
    network = Network()
    found = network.gradients("per-group(groups=[decoder.2, decoder]):upgrad")
    for names in (["decoder.2"], ["decoder.0"], ["encoder", "scale"]):
        for name, gradient in network.gradients("upgrad", names).items():
            assert torch.allclose(found[name], gradient, rtol=1e-9, atol=1e-12), name


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["encoder.0.weight", "encoder.0.bias", "decoder.weight", "scale"], [2, 1, 1]),
        (["net.encoder.0.weight", "net.encoder.1.weight", "net.decoder.weight"], [2, 1]),
        (["weight", "bias"], [2]),
        (["only.weight", "only.bias"], [2]),
    ],
)
def test_parts_are_child_modules_where_there_are_several(names: list[str], parts: list[int]) -> None:
    flat = FlatParameters({name: torch.ones(1) for name in names})
    assert [len(group) for group in flat.groups("part")] == parts


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        ("[encodr, decoder]", r"groups: no shared parameter belongs to this part .* \(found 'encodr'\). Did you mean 'encoder'\?"),
        ("[encoder, encoder]", r"per-group, groups: names of submodules are needed, each once"),
        ("parts", r"per-group, groups: unknown groups \(found parts\). Did you mean 'part'\?"),
    ],
)  # fmt: skip
def test_wrong_parts_are_one_line(groups: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        Network().gradients(f"per-group(groups={groups}):upgrad")
    assert "\n" not in str(caught.value)


def test_a_run_takes_parts_by_the_names_of_its_shared_parameters() -> None:
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(0)).numpy()
    source = pt.Source("table", x, {"a": x[:, 0].astype(float), "b": -x[:, 0].astype(float)})
    tasks = [pt.tasks.Regression(name=name) for name in "ab"]

    def trained(groups: str) -> list[Tensor]:
        run = pt.fit(tasks, [source], f"per-group(groups={groups}):upgrad", encoder="mlp(hidden=(4, 3))", epochs=2, batch_size=8, threads=1)
        return list(run.model.state_dict().values())

    layers = trained("layer")  # in this network, a part is a layer
    for groups in ("part", "[encoder.layers.0, encoder.layers.1]"):
        assert all(torch.equal(one, other) for one, other in zip(layers, trained(groups), strict=True))
    whole = trained("[encoder]")
    assert not all(torch.equal(one, other) for one, other in zip(layers, whole, strict=True))
