"""Encoders: modules that map inputs to features."""

from polytask.encoders.conv import Conv
from polytask.encoders.encoder import Encoder, SupportsAdapt
from polytask.encoders.gru import GRU
from polytask.encoders.initial_weights import initialize, load_weights
from polytask.encoders.lenet import LeNet
from polytask.encoders.mlp import MLP
from polytask.encoders.module_encoder import ModuleEncoder
from polytask.encoders.pretrained_text import PretrainedTextEncoder
from polytask.encoders.residual_mlp import ResidualMLP
from polytask.encoders.resnet import ResNet
from polytask.encoders.tabular_encoder import TabularEncoder
from polytask.encoders.tcn import TCN
from polytask.encoders.text_encoder import TextEncoder
from polytask.encoders.transformer import Transformer

__all__ = [
    "GRU",
    "MLP",
    "TCN",
    "Conv",
    "Encoder",
    "LeNet",
    "ModuleEncoder",
    "PretrainedTextEncoder",
    "ResNet",
    "ResidualMLP",
    "SupportsAdapt",
    "TabularEncoder",
    "TextEncoder",
    "Transformer",
    "initialize",
    "load_weights",
]
