"""Experts of which each task selects a few, by a differentiable gate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, log2
from typing import cast, final

import torch
from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.experts.expert_copies import Experts
from polytask.architectures.experts.expert_gates import mix_experts
from polytask.architectures.submodule_keys import module_key
from polytask.encoders import Encoder
from polytask.errors import ConfigError


def smooth_step(values: Tensor, width: float) -> Tensor:
    """Compute S(v): 0 below −γ/2, 1 above γ/2, and −2 v³ / γ³ + 3 v / 2γ + ½ between (eq. 2), with γ the width.

    Example:
        >>> smooth_step(torch.tensor([-1.0, 0.0, 0.25, 1.0]), width=1.0)
        tensor([0.0000, 0.5000, 0.8438, 1.0000])
    """
    inside = -2.0 / width**3 * values**3 + 1.5 / width * values + 0.5
    return torch.where(values <= -width / 2, 0.0, torch.where(values >= width / 2, 1.0, inside))


class StaticGate(nn.Module):
    """Gate q(α, Z) = Σ_i softmax(α)_i r(z_i), which does not depend on the inputs.

    r(z) is a product of smooth steps; it selects a single expert once all steps are 0 or 1.
    """

    has_own_initialization = True

    def __init__(self, experts: int, top_k: int, width: float) -> None:
        super().__init__()
        bits = max(ceil(log2(experts)), 1)
        self.experts, self.width = experts, width
        codes = (torch.arange(2**bits)[:, None] >> torch.arange(bits)) & 1
        self.register_buffer("codes", codes.float(), persistent=False)
        self.z, self.alpha = nn.Parameter(torch.empty(top_k, bits)), nn.Parameter(torch.empty(top_k))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw z uniformly within ± a hundredth of the steps' width, and α within ± 0.05, as in the authors' code."""
        nn.init.uniform_(self.z, -self.width / 100, self.width / 100)
        nn.init.uniform_(self.alpha, -0.05, 0.05)

    def selectors(self) -> Tensor:
        """Compute r(z_i) for every code, (k, 2^bits)."""
        codes = cast("Tensor", self.codes)
        steps = smooth_step(self.z, self.width)[:, None, :]
        return (steps * codes + (1 - steps) * (1 - codes)).prod(2)

    def forward(self) -> Tensor:
        """Compute the nonnegative weights (experts,), which sum to 1 if the number of experts is a power of 2."""
        selected = torch.softmax(self.alpha, dim=0) @ self.selectors()
        return selected[: self.experts]

    def entropy(self) -> Tensor:
        """Compute the sum over i of the entropy of r(z_i) over codes with an expert (paper, section 4.2)."""
        selected = self.selectors()[:, : self.experts]
        return -(selected * (selected + 1e-6).log()).sum()

    def unreachability(self) -> Tensor | None:
        """Compute the sum over i of 1 / (sum of r(z_i) over codes with an expert); `None` if every code has one."""
        selected = self.selectors()
        if self.experts == selected.shape[1]:
            return None
        return (1.0 / selected[:, : self.experts].sum(1).clamp(min=1e-6)).sum()


@final
class DSelectK(Architecture):
    """DSelect-k (Hazimeh et al., NeurIPS 2021, eq. 2 to 5), with static gates.

        z_t = Σ_e g_te f_e(x),    g_t = Σ_{i ≤ k} softmax(α_t)_i r(z_ti)

    where r(z) selects an expert by the bits S(z) of its number. An entropy penalty on each gate, added outside the balancer, drives each r
    to a single expert: in the end, a task uses at most k experts. If the number of experts is not a power of 2, the sum over i of
    1 / (the share of r(z_ti) on codes with an expert) is added as well, with weight 1, so that no gate rests on a code without one.

    Defaults: 4 experts, k = 2, γ = 1 (paper, section 5), entropy 0.01 (our choice; the paper tunes it).

    Deviations: none for static gates. Gates that depend on the input are not implemented.

    Args:
        encoder: First expert; the other experts are copies of its body with other initial values.
        tasks: Names of the tasks.
        experts: Number of experts.
        top_k: Largest number k of experts per task, from 1 to `experts`.
        width: Width γ of the smooth steps, above 0.
        entropy: Strength of the entropy penalty, at least 0; it does not change the penalty on codes without an expert.

    Raises:
        ConfigError: A number is out of its range.

    Example:
        >>> from polytask.encoders import MLP
        >>> DSelectK(MLP((4,), hidden=(8,)), ("a", "b")).width("a")
        8
    """

    def __init__(
        self, encoder: Encoder, tasks: Sequence[str], experts: int = 4, top_k: int = 2, width: float = 1.0, entropy: float = 0.01
    ) -> None:
        super().__init__(tasks, encoder)
        if not 1 <= top_k <= experts:
            raise ConfigError("`top_k` must be between 1 and `experts`", where="architecture 'dselect-k'", found=f"{top_k} of {experts}")
        if not width > 0:
            raise ConfigError("`width` must be above 0", where="architecture 'dselect-k'", found=width)
        if not 0 <= entropy < float("inf"):
            raise ConfigError("`entropy` must be finite and at least 0", where="architecture 'dselect-k'", found=entropy)
        self.features, self.entropy = encoder.features, entropy
        self.experts = Experts(encoder, experts)
        self.gates = nn.ModuleDict({module_key(task): StaticGate(experts, top_k, width) for task in self.tasks})

    def width(self, task: str) -> int:
        """Return the width of the experts' features."""
        del task
        return self.features

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Yield one stream per expert and gate."""
        yield from self.experts.initialization_streams()
        for task in self.tasks:
            yield ("architecture", "gate", task), self.gates[module_key(task)]

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Run the experts once, and mix their features for each task."""
        _, features = self.experts(inputs)
        return {task: mix_experts(self._gate(task)().to(features.dtype).expand(len(inputs), -1), features) for task in tasks}

    def penalty(self) -> Tensor | None:
        """Return the penalty on the gates' entropies and on codes without an expert, or `None` if there is neither."""
        gates = [self._gate(task) for task in self.tasks]
        parts = [self.entropy * gate.entropy() for gate in gates] if self.entropy else []
        parts += [part for gate in gates if (part := gate.unreachability()) is not None]
        return torch.stack(parts).sum() if parts else None

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """Return the weight that each task gives to each expert."""
        with torch.no_grad():
            gates = {task: self._gate(task)().tolist() for task in self.tasks}
        return {f"gate, expert {e + 1}": {task: gate[e] for task, gate in gates.items()} for e in range(len(self.experts))}

    def _gate(self, task: str) -> StaticGate:
        return cast("StaticGate", self.gates[module_key(task)])
