"""Experts of which each row uses a few, with a penalty that balances their use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast, final

import torch
from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.experts.expert_copies import Experts
from polytask.architectures.experts.expert_gates import mix_experts
from polytask.architectures.submodule_keys import module_key
from polytask.encoders import Encoder
from polytask.errors import ConfigError


class NoisyTopKGate(nn.Module):
    """Gate with a softmax over the k largest of W x + ε ∘ softplus(V x) (Shazeer et al., ICLR 2017, eq. 3 to 5).

    The noise ε ~ N(0, 1) is added in training only.

    Attributes:
        last: Mean weights (experts,) over the rows of the last forward pass.
        importance: Sums of the weights over rows (experts,), with their graphs, of each training forward pass since the last reading.
    """

    has_own_initialization = True

    def __init__(self, inputs: int, experts: int, top_k: int) -> None:
        super().__init__()
        self.top_k = top_k
        self.clean, self.noise = nn.Linear(inputs, experts, bias=False), nn.Linear(inputs, experts, bias=False)
        self.last = torch.full((experts,), 1.0 / experts)
        self.importance: list[Tensor] = []
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set all weights to 0, so that all experts start with the same load (paper, appendix A)."""
        nn.init.zeros_(self.clean.weight)
        nn.init.zeros_(self.noise.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute the weights (N, experts), of which k are above 0 in each row."""
        logits = self.clean(inputs)
        if self.training:
            logits = logits + torch.randn_like(logits) * nn.functional.softplus(self.noise(inputs))
        kept = logits.topk(self.top_k, dim=1)
        weights = torch.zeros_like(logits).scatter(1, kept.indices, torch.softmax(kept.values, dim=1))
        self.last = weights.detach().mean(0)
        if self.training:
            self.importance.append(weights.sum(0))
        return weights


@final
class SparseExperts(Architecture):
    """Sparsely gated mixture of experts with one gate per task (Shazeer et al., ICLR 2017; Ma et al., KDD 2018).

        z_t = Σ_e g_te(x) f_e(x),    g_t zero except for the k largest of its logits

    with the penalty b · CV²(importance), added outside the balancer, where importance is an expert's gate summed over rows and tasks, and
    CV the ratio of its standard deviation to its mean over the experts (paper, eq. 6 and 7). If k is the number of experts, it is MMoE
    with noise on its gates.

    Defaults: 4 experts, k = 2, b = 0.01 (paper, appendix C.1: 0.1 and 0.01).

    Deviations: all experts are computed for all rows and then masked, which costs as much as MMoE; only the gradients are sparse, as an
    expert learns only from rows that use it. The paper's second penalty, on the load, is not added.

    Args:
        encoder: First expert; the other experts are copies of its body with other initial values.
        tasks: Names of the tasks.
        experts: Number of experts.
        top_k: Number k of experts that a row uses, from 1 to `experts`.
        balance: Strength b of the penalty, at least 0.

    Raises:
        ConfigError: k is not between 1 and the number of experts, or b is negative or infinite.

    Example:
        >>> from polytask.encoders import MLP
        >>> SparseExperts(MLP((4,), hidden=(8,)), ("a", "b")).width("a")
        8
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], experts: int = 4, top_k: int = 2, balance: float = 0.01) -> None:
        super().__init__(tasks, encoder)
        if not 1 <= top_k <= experts:
            raise ConfigError(
                "`top_k` must be between 1 and `experts`", where="architecture 'sparse-experts'", found=f"{top_k} of {experts}"
            )
        if not 0 <= balance < float("inf"):
            raise ConfigError("`balance` must be finite and at least 0", where="architecture 'sparse-experts'", found=balance)
        self.features, self.balance = encoder.features, balance
        self.experts = Experts(encoder, experts)
        self.gates = nn.ModuleDict({module_key(task): NoisyTopKGate(self.experts.seen, experts, top_k) for task in self.tasks})

    def width(self, task: str) -> int:
        """Return the width of the experts' features."""
        del task
        return self.features

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Yield one stream per expert, and the gates, which start at zero."""
        yield from self.experts.initialization_streams()
        yield ("architecture", "gates"), self.gates

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Run the experts once, and mix their features for each task."""
        seen, features = self.experts(inputs)
        return {task: mix_experts(self.gates[module_key(task)](seen).to(features.dtype), features) for task in tasks}

    def penalty(self) -> Tensor | None:
        """Return b · CV² of the experts' importance in the forward passes since the last call, or `None` if there is none."""
        seen = [load for gate in self._gates() for load in gate.importance]
        self.discard_penalty()
        if not seen or not self.balance or len(self.experts) < 2:
            return None
        importance = torch.stack(seen).sum(0)
        return self.balance * importance.var() / importance.mean().square()

    def discard_penalty(self) -> None:
        """Discard the recorded importance of the experts."""
        for gate in self._gates():
            gate.importance.clear()

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """Return the weight that each task gives to each expert, averaged over the rows of its last batch."""
        gates = {task: gate.last.tolist() for task, gate in zip(self.tasks, self._gates(), strict=True)}
        return {f"gate, expert {e + 1}": {task: gate[e] for task, gate in gates.items()} for e in range(len(self.experts))}

    def _gates(self) -> list[NoisyTopKGate]:
        return [cast("NoisyTopKGate", self.gates[module_key(task)]) for task in self.tasks]
