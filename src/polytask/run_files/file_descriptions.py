"""What the files and folders of a run folder hold."""

from collections.abc import Mapping

REPORT_FILE = "report.html"
FILE_DESCRIPTIONS: Mapping[str, str] = {
    "run.yaml": "resolved configuration with all defaults and measured choices; used as the source, it repeats the run",
    "environment.json": "versions, processor, threads and fingerprints of the data",
    "predictions.parquet": "predictions of every arm for every test unit, per seed; the verdict is computed from them",
    "results.csv": "every metric per arm, seed, task and split",
    "verdict.yaml": "options of the verdict on given predictions; polytask verdict with this folder repeats it",
    "verdict.json": "verdict per task and arm, with intervals, and the recommendation",
    "race.json": "settings tried on validation data, their scores, and the choice",
    "relate.json": "relatedness of the tasks: a matrix per measure, with intervals, and the proposed groups",
    "relations.csv": "every measure per seed and pair of tasks",
    "curve.json": "learning curves: the verdict at every share of the labels, and the labels that joint training needs",
    "points.csv": "every point of the learning curves: labels, means, differences with intervals, claims",
    "shares": "run folder of the study of every share",
    "cost.json": "parameters, multiply-adds, seconds and peak memory per arm",
    "callbacks.json": "results of the callbacks, per network",
    "history.csv": "losses, weights and validation metrics per epoch",
    REPORT_FILE: "this page",
    "data": "rows of the data frame that was given in Python",
    "model": "recommended model with its preprocessing: safetensors and JSON",
    "checkpoints": "state of unfinished training",
    "log.txt": "log with times",
}
