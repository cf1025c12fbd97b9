"""Rename modules, in imports, texts and the tests that mirror them: `python tools/rename_files.py`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

NAMES = {
    "balancing/matrix_statistic": "statistic_from_jacobian",
    "balancing/task_weights": "default_balancer",
    "balancing/building_blocks/task_shares": "simplex_state",
    "gradients/routing": "strategy_choice",
    "gradients/context": "engine_state",
    "gradients/step": "backward_step",
    "gradients/step_losses": "loss_accumulator",
    "gradients/post_step_losses": "lookahead_evaluator",
    "gradients/primitives/jacobian": "jacobian_buffer",
    "options/network_config": "train_config",
    "options/flag": "cli_option",
    "registry/misfit": "unknown_option",
    "relatedness/step_snapshot": "lookahead_losses",
    "relatedness/transfer_weights": "warm_start",
    "report/contents/run_tables": "curves_and_matrices",
    "studies/execution/train_one_network": "run_training",
    "tasks/class_weighting": "class_weight_checks",
    "tasks/label_facts": "type_of_target",
    "tasks/prediction_columns": "prediction_parsing",
    "architectures/task_graphs/task_graph": "task_graph_network",
    "architectures/hard_sharing/branching": "learned_branching",
    "encoders/sequence_encoder": "sequence_encoder_base",
    "data/splitting/predefined_split": "time_and_column_split",
    "cli/imports": "import_options",
}


def main() -> None:
    """Rename the files, then every place that names them."""
    files = [Path(name) for name in subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split()]
    texts = [path for path in files if path.suffix in (".py", ".md", ".toml", ".csv", ".j2", ".json") and path.name != "values.json"]
    texts = [path for path in texts if path.name != "rename_files.py"]
    for old, new in NAMES.items():
        folder, _, name = old.rpartition("/")
        package = "polytask." + folder.replace("/", ".")
        rules = [
            (re.compile(rf"\b{re.escape(package)}\.{name}\b"), f"{package}.{new}"),
            (re.compile(rf"(\bfrom {re.escape(package)} import (?:\w+, )*){name}\b(?! as)"), rf"\g<1>{new} as {name}"),
            (re.compile(rf"(\bfrom {re.escape(package)} import (?:\w+, )*){name} as\b"), rf"\g<1>{new} as"),
            (re.compile(rf"\b{re.escape(folder)}/{name}\.py\b"), f"{folder}/{new}.py"),
            (re.compile(rf"\b{re.escape(folder)}/{name}(?=[`: )\"'])"), f"{folder}/{new}"),
        ]
        for path in texts:
            text = path.read_text(encoding="utf-8")
            changed = text
            for pattern, replacement in rules:
                changed = pattern.sub(replacement, changed)
            if changed != text:
                path.write_text(changed, encoding="utf-8")
        subprocess.run(["git", "mv", f"src/polytask/{old}.py", f"src/polytask/{folder}/{new}.py"], check=True)
        test = Path(f"tests/{folder}/test_{name}.py")
        if test.exists():
            subprocess.run(["git", "mv", str(test), str(test.with_name(f"test_{new}.py"))], check=True)
            texts = [test.with_name(f"test_{new}.py") if path == test else path for path in texts]
        source = Path(f"src/polytask/{old}.py")
        texts = [Path(f"src/polytask/{folder}/{new}.py") if path == source else path for path in texts]


if __name__ == "__main__":
    main()
