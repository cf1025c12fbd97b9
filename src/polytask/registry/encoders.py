"""The encoders."""

from polytask.registry.rows import Row

ROWS = (
    Row("encoder", "conv", "polytask.encoders.conv:Conv", "the reference network: two 3x3 convolutions with pooling", needs="images"),
    Row("encoder", "mlp", "polytask.encoders.mlp:MLP", "fully connected layers with ReLU", needs="vectors"),
)
