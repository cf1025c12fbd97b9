"""What a trained network gives to another task: everything but its heads is where the other one starts."""

from __future__ import annotations

from polytask.architectures import MultiTaskModel
from polytask.errors import ConfigError

HEADS_PREFIX = "heads."


def copy_shared_weights(model: MultiTaskModel, trained: MultiTaskModel) -> tuple[str, ...]:
    """Let a network start from a trained one: what both have by name and shape is copied, but for heads.

    The gain of such a start on another task, against a fresh one with the same budget, is the transfer from one task to the other
    (Zamir et al., CVPR 2018, section 3.2; there a transfer function is trained on a frozen encoder, here the whole network is).

    Args:
        model: Takes the numbers over; its heads stay as they are.
        trained: Stays as it is.

    Returns:
        The names of what was copied.

    Raises:
        ConfigError: They have nothing in common.

    Example:
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
        raise ConfigError("two networks have nothing in common but heads", where="transfer", remedy="Leave this measure out")
    model.load_state_dict(fits, strict=False)
    return tuple(fits)
