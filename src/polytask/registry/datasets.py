"""The built-in data sets."""

from polytask.registry.rows import Row

ROWS = (
    Row(
        "data set",
        "mnist-fashion",
        "polytask.datasets.mnist_fashion:MnistFashion",
        "two sources of 28x28 images: MNIST labels the task digit, Fashion-MNIST the task garment",
    ),
)
