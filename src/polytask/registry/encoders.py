"""The encoders."""

from polytask.registry.rows import Row

ROWS = (
    Row("encoder", "conv", "polytask.encoders.conv:Conv", "the reference network: two 3x3 convolutions with pooling", needs="images"),
    Row("encoder", "lenet", "polytask.encoders.lenet:LeNet", "two 5x5 convolutions and 50 units, as in Multi-MNIST papers", needs="images"),
    Row("encoder", "resnet", "polytask.encoders.resnet:ResNet", "a residual network, ResNet-18 at its full size", needs="images"),
    Row("encoder", "mlp", "polytask.encoders.mlp:MLP", "fully connected layers with ReLU", needs="vectors"),
    Row(
        "encoder",
        "residual-mlp",
        "polytask.encoders.residual_mlp:ResidualMLP",
        "a residual network of fully connected layers",
        needs="vectors",
    ),
    Row(
        "encoder",
        "tabular",
        "polytask.encoders.tabular:Tabular",
        "numbers with gaps, vectors for categories, then fully connected layers",
        paper="Gorishniy, Rubachev & Babenko, NeurIPS 2022",
        needs="rows of a table",
    ),
    Row(
        "encoder", "text", "polytask.encoders.text:Text", "word vectors, then a bidirectional GRU or a transformer", needs="codes of words"
    ),
    Row(
        "encoder",
        "pretrained",
        "polytask.encoders.pretrained:Pretrained",
        "a Hugging Face text encoder from a local folder (extra text)",
        needs="word pieces",
    ),
)
