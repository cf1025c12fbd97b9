"""Loggers: where the values of training runs are recorded."""

from polytask.registry.component import ComponentSpec

SPECS: tuple[ComponentSpec, ...] = (
    ComponentSpec(
        "logger",
        "csv",
        "polytask.loggers.csv_logger:CsvLogger",
        "one CSV file per run, with a row per value",
        display="CSV",
    ),
    ComponentSpec(
        "logger",
        "tensorboard",
        "polytask.loggers.tensorboard_logger:TensorBoardLogger",
        "one folder of event files per run",
        display="TensorBoard",
        needs="the extra tensorboard",
    ),
    ComponentSpec(
        "logger",
        "mlflow",
        "polytask.loggers.mlflow_logger:MLflowLogger",
        "one run of an experiment; networks of a study are runs inside that of the study",
        display="MLflow",
        needs="the extra mlflow",
    ),
    ComponentSpec(
        "logger",
        "wandb",
        "polytask.loggers.wandb_logger:WandbLogger",
        "one run of a project, by default without a connection; networks of a study are a group",
        display="Weights & Biases",
        needs="the extra wandb",
    ),
)
