"""Built-in data sets."""

from polytask.registry.component import ComponentSpec

SPECS: tuple[ComponentSpec, ...] = (
    ComponentSpec(
        "data set",
        "mnist-fashion",
        "polytask.datasets.mnist_fashion:MnistFashion",
        "two sources of 28x28 images: MNIST labels the task digit, Fashion-MNIST the task garment",
        display="MNIST and Fashion-MNIST",
    ),
    ComponentSpec(
        "data set",
        "multi-fashion-mnist",
        "polytask.datasets.multi_fashion_mnist:MultiFashionMnist",
        "a digit and a garment in every 28x28 image: two tasks on the same rows",
        display="Multi-Fashion-MNIST",
        paper="after Sener & Koltun, NeurIPS 2018",
    ),
    ComponentSpec(
        "data set",
        "census-income",
        "polytask.datasets.census_income:CensusIncome",
        "a table with two tasks: income, and marital status",
        display="Census-Income",
    ),
    ComponentSpec(
        "data set",
        "atis",
        "polytask.datasets.atis:Atis",
        "questions of airline customers: an intent per sentence, a slot per word",
        display="ATIS",
    ),
)
