"""Loggers: record the values of training runs as CSV, or with TensorBoard, MLflow or Weights & Biases."""

from polytask.loggers.base import LoggedRun, Logger, make_logger
from polytask.loggers.csv_logger import CsvLogger
from polytask.loggers.mlflow_logger import MLflowLogger
from polytask.loggers.tensorboard_logger import TensorBoardLogger
from polytask.loggers.wandb_logger import WandbLogger

__all__ = ["CsvLogger", "LoggedRun", "Logger", "MLflowLogger", "TensorBoardLogger", "WandbLogger", "make_logger"]
