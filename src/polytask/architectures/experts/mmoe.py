"""Experts that all tasks share, with one gate per task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast, final

from torch import Tensor, nn

from polytask.architectures.architecture import Architecture, StreamName
from polytask.architectures.experts.expert_copies import Experts
from polytask.architectures.experts.expert_gates import SoftmaxGate, mix_experts
from polytask.architectures.submodule_keys import module_key
from polytask.encoders import Encoder
from polytask.errors import ConfigError


@final
class MMoE(Architecture):
    """Multi-gate mixture of experts (Ma et al., KDD 2018, eq. 5 to 7).

    With experts f_e (encoders of the same form) and one gate per task,

        z_t = Σ_e g_te(x) f_e(x),    g_t(x) = softmax(W_t x)

    where x are the flattened inputs or, if the encoder has a stem, a summary of its output; experts share the stem. With one expert it is
    hard sharing.

    Defaults: 4 experts; the paper has 8 for Census-Income.

    Deviations: none.

    Args:
        encoder: First expert; the other experts are copies of its body with other initial values.
        tasks: Names of the tasks.
        experts: Number of experts, at least 1.

    Raises:
        ConfigError: There is no expert.

    Example:
        >>> from polytask.encoders import MLP
        >>> MMoE(MLP((4,), hidden=(8,)), ("a", "b"), experts=3).width("a")
        8
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], experts: int = 4) -> None:
        super().__init__(tasks, encoder)
        if experts < 1:
            raise ConfigError("`experts` must be at least 1", where="architecture 'mmoe'", found=experts)
        self.features = encoder.features
        self.experts = Experts(encoder, experts)
        self.gates = nn.ModuleDict({module_key(task): SoftmaxGate(self.experts.seen, experts) for task in self.tasks})

    def width(self, task: str) -> int:
        """Return the width of the experts' features."""
        del task
        return self.features

    def initialization_streams(self) -> Iterator[tuple[StreamName, nn.Module]]:
        """Yield one stream per expert and gate; the first expert has that of the encoder under hard sharing."""
        yield from self.experts.initialization_streams()
        for task in self.tasks:
            yield ("architecture", "gate", task), self.gates[module_key(task)]

    def forward(self, inputs: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Run the experts once, and mix their features for each task."""
        seen, features = self.experts(inputs)
        return {task: mix_experts(self.gates[module_key(task)](seen).to(features.dtype), features) for task in tasks}

    def describe_sharing(self) -> Mapping[str, Mapping[str, float]]:
        """Return the weight that each task gives to each expert, averaged over the rows of its last batch."""
        gates = {task: cast("SoftmaxGate", self.gates[module_key(task)]).last.tolist() for task in self.tasks}
        return {f"gate, expert {e + 1}": {task: gate[e] for task, gate in gates.items()} for e in range(len(self.experts))}
