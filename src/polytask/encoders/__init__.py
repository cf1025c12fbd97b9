"""Encoders: what turns inputs into features."""

from polytask.encoders.conv import Conv
from polytask.encoders.encoder import Encoder
from polytask.encoders.mlp import MLP

__all__ = ["MLP", "Conv", "Encoder"]
