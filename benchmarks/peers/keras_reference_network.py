"""The reference network in Keras, as a worker process of `benchmarks/reference_network.py`.

Started by the interpreter of another environment: `python keras_reference_network.py DATA.npz`. It reads one JSON request per line
(`{"policy": "float32", "seed": 0, "epochs": 1, "evaluate": false}`) and answers with one JSON line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np


def network(policy: str) -> Any:  # noqa: ANN401 - a Keras model
    """Return a compiled model: two shared 3x3 convolutions with pooling, then dense layers of 64 and 10 units per task."""
    keras.mixed_precision.set_dtype_policy(policy)
    inputs = keras.Input((28, 28, 1))
    x = keras.layers.Conv2D(32, 3, activation="relu")(inputs)
    x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Conv2D(64, 3, activation="relu")(x)
    x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Flatten()(x)
    outputs = {}
    for task in ("digit", "garment"):
        hidden = keras.layers.Dense(64, activation="relu")(x)
        outputs[task] = keras.layers.Dense(10, name=task, dtype="float32")(hidden)
    model = keras.Model(inputs, outputs)
    losses = {task: keras.losses.SparseCategoricalCrossentropy(from_logits=True) for task in outputs}
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=losses)
    return model


def prepared(data: Any) -> dict[str, Any]:  # noqa: ANN401 - an npz archive
    """Return one array of all images, with sample weights per task: 2 for rows of its source and 0 for the others.

    Keras divides a weighted loss by the rows of the batch. Since half of the rows are from each source, a weight of 2 gives the mean over
    the rows of the task.
    """
    images = [data[f"{source}_inputs"].astype(np.float32) for source in ("mnist", "fashion")]
    scaled = [(part - part.mean()) / part.std() for part in images]
    inputs = np.concatenate(scaled).reshape(-1, 28, 28, 1)
    halves = [np.zeros(len(part), dtype=np.float32) for part in images]
    labels = np.concatenate([data["mnist_labels"], data["fashion_labels"]]).astype(np.int64)
    weights = {"digit": np.concatenate([halves[0] + 2, halves[1]]), "garment": np.concatenate([halves[0], halves[1] + 2])}
    return {"inputs": inputs, "labels": {"digit": labels, "garment": labels}, "weights": weights}


def accuracies(model: Any, data: Any) -> dict[str, float]:  # noqa: ANN401 - as above
    """Return the test accuracy per task; inputs are normalized with training statistics."""
    found = {}
    for source, task in (("mnist", "digit"), ("fashion", "garment")):
        training = data[f"{source}_inputs"]
        images = (data[f"{source}_test_inputs"].astype(np.float32) - training.mean()) / training.std()
        outputs = model.predict(images.reshape(-1, 28, 28, 1), batch_size=1000, verbose=0)[task]
        found[task] = float((outputs.argmax(axis=1) == data[f"{source}_test_labels"]).mean())
    return found


def main() -> None:
    """Answer requests until the input ends."""
    data = np.load(sys.argv[1])
    arrays = prepared(data)
    models: dict[str, Any] = {}
    for line in sys.stdin:
        request = json.loads(line)
        policy = request["policy"]
        if request["evaluate"] or policy not in models:
            keras.utils.set_random_seed(request["seed"])
            models[policy] = network(policy)
        start = time.perf_counter()
        models[policy].fit(
            arrays["inputs"], arrays["labels"], sample_weight=arrays["weights"], batch_size=256, epochs=request["epochs"], verbose=0
        )
        seconds = time.perf_counter() - start
        answer: dict[str, Any] = {"images_per_second": len(arrays["inputs"]) * request["epochs"] / seconds}
        if request["evaluate"]:
            answer["accuracy"] = accuracies(models[policy], data)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
