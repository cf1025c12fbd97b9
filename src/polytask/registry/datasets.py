"""The built-in data sets."""

from polytask.registry.rows import Row

ROWS = (
    Row(
        "data set",
        "mnist-fashion",
        "polytask.datasets.mnist_fashion:MnistFashion",
        "two sources of 28x28 images: MNIST labels the task digit, Fashion-MNIST the task garment",
    ),
    Row(
        "data set",
        "multi-fashion-mnist",
        "polytask.datasets.multi_fashion_mnist:MultiFashionMnist",
        "a digit and a garment in every 28x28 image: two tasks on the same rows",
        paper="after Sener & Koltun, NeurIPS 2018",
    ),
)
