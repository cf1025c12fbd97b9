"""Transfer of weights from a trained network to a network for another task: all but those of the heads."""

from __future__ import annotations

from polytask.architectures import Network
from polytask.errors import ConfigError

HEADS_PREFIX = "heads."


def copy_shared_weights(model: Network, trained: Network) -> tuple[str, ...]:
    """Initialize a network from a trained one: copy all weights and buffers with the same name and shape, except those of heads.

    The gain of this initialization on another task, relative to a fresh one with the same budget, is the transfer from one task to the
    other (Zamir et al., CVPR 2018, section 3.2; there a transfer function is trained on a frozen encoder, here the whole network is
    trained).

    Args:
        model: Network that receives the weights, in place; its heads are unchanged.
        trained: Trained network, which is unchanged.

    Returns:
        Names of the copied weights and buffers.

    Raises:
        ConfigError: The networks have no weight or buffer in common, except in heads.

    Example:
        >>> from polytask.architectures import MultiTaskModel
        >>> from polytask.encoders import MLP
        >>> from polytask.tasks import Binary
        >>> one, other = (MultiTaskModel(MLP((4,), hidden=(8,)), (Binary(name=name),), hidden=()) for name in ("churn", "stay"))
        >>> copy_shared_weights(other, one)
        ('architecture.encoder.layers.0.0.weight', 'architecture.encoder.layers.0.0.bias')
    """
    own, theirs = model.state_dict(), trained.state_dict()
    fits = {
        name: value
        for name, value in theirs.items()
        if not name.startswith(HEADS_PREFIX) and name in own and value.shape == own[name].shape
    }
    if not fits:
        raise ConfigError(
            "the networks must share a weight of the same name and shape outside their heads", where="transfer", remedy="Omit this measure"
        )
    model.load_state_dict(fits, strict=False)
    return tuple(fits)
