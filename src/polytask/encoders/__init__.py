"""Encoders: what turns inputs into features."""

from polytask.encoders.conv import Conv
from polytask.encoders.encoder import Encoder, LearnsFromInputs
from polytask.encoders.lenet import LeNet
from polytask.encoders.mlp import MLP
from polytask.encoders.pretrained import Pretrained
from polytask.encoders.residual_mlp import ResidualMLP
from polytask.encoders.resnet import ResNet
from polytask.encoders.tabular import Tabular
from polytask.encoders.text import Text
from polytask.encoders.wrapped import Wrapped

__all__ = ["MLP", "Conv", "Encoder", "LeNet", "LearnsFromInputs", "Pretrained", "ResNet", "ResidualMLP", "Tabular", "Text", "Wrapped"]
