"""Encoders: trunks of networks, by kind of inputs."""

from polytask.registry.component import ComponentSpec

SPECS: tuple[ComponentSpec, ...] = (
    ComponentSpec(
        "encoder",
        "conv",
        "polytask.encoders.conv:Conv",
        "the reference network: two 3x3 convolutions with pooling",
        display="convolutional network",
        needs="images",
    ),
    ComponentSpec(
        "encoder",
        "lenet",
        "polytask.encoders.lenet:LeNet",
        "two 5x5 convolutions and 50 units, as in Multi-MNIST papers",
        display="LeNet",
        needs="images",
    ),
    ComponentSpec(
        "encoder",
        "resnet",
        "polytask.encoders.resnet:ResNet",
        "a residual network, ResNet-18 at its full size",
        display="ResNet",
        needs="images",
    ),
    ComponentSpec(
        "encoder", "mlp", "polytask.encoders.mlp:MLP", "fully connected layers with ReLU", display="multilayer perceptron", needs="vectors"
    ),
    ComponentSpec(
        "encoder",
        "residual-mlp",
        "polytask.encoders.residual_mlp:ResidualMLP",
        "a residual network of fully connected layers",
        display="residual MLP",
        needs="vectors",
    ),
    ComponentSpec(
        "encoder",
        "tabular",
        "polytask.encoders.tabular_encoder:TabularEncoder",
        "numbers with missing values, embeddings of categories, then fully connected layers",
        display="tabular network",
        paper="Gorishniy, Rubachev & Babenko, NeurIPS 2022",
        needs="rows of a table",
    ),
    ComponentSpec(
        "encoder",
        "gru",
        "polytask.encoders.gru:GRU",
        "a bidirectional recurrent network",
        display="GRU",
        paper="Cho et al., EMNLP 2014",
        needs="sequences of numbers",
    ),
    ComponentSpec(
        "encoder",
        "tcn",
        "polytask.encoders.tcn:TCN",
        "dilated causal convolutions, which do not look ahead",
        display="temporal convolutional network",
        paper="Bai, Kolter & Koltun, 2018",
        needs="sequences of numbers",
    ),
    ComponentSpec(
        "encoder",
        "transformer",
        "polytask.encoders.transformer:Transformer",
        "a small transformer that normalizes first",
        display="transformer",
        paper="Vaswani et al., NeurIPS 2017",
        needs="sequences of numbers",
    ),
    ComponentSpec(
        "encoder",
        "text",
        "polytask.encoders.text_encoder:TextEncoder",
        "word embeddings, then a bidirectional GRU or a transformer",
        display="text encoder",
        needs="codes of words",
    ),
    ComponentSpec(
        "encoder",
        "pretrained",
        "polytask.encoders.pretrained_text:PretrainedTextEncoder",
        "a Hugging Face text encoder from a local folder (extra text)",
        display="pretrained text encoder",
        needs="word pieces",
    ),
)
