"""Shared and private experts, combined by gates in one level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from polytask.architectures.experts.ple import PLE
from polytask.encoders import Encoder


@final
class CGC(PLE):
    """Customized gate control (Tang et al., RecSys 2020, section 4.1): one level of `PLE`.

        z_t = Σ_e g_te(x) f_e(x),    e over the shared experts and those of task t

    Without private experts it is MMoE.

    Defaults: 2 shared and 1 private expert.

    Deviations: experts are copies of any encoder, where the paper has fully connected layers.

    Args:
        encoder: Encoder of which the experts are copies.
        tasks: Names of the tasks.
        shared: Number of shared experts.
        private: Number of private experts per task.

    Raises:
        ConfigError: There are no experts.

    Example:
        >>> from polytask.encoders import MLP
        >>> CGC(MLP((4,), hidden=(8, 6)), ("a", "b"), shared=1).width("a")
        6
    """

    def __init__(self, encoder: Encoder, tasks: Sequence[str], shared: int = 2, private: int = 1) -> None:
        super().__init__(encoder, tasks, levels=1, shared=shared, private=private)
