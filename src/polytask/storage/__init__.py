"""Storage on disk: atomic writes of files and folders, file locks, JSON, YAML, and state as safetensors."""

from polytask.storage.atomic_write import make_folder, storage_errors, write_bytes, write_text
from polytask.storage.checkpoints import delete_checkpoints, load_checkpoint, save_checkpoint
from polytask.storage.file_lock import exclusive_lock
from polytask.storage.json_yaml import read_json, read_yaml, write_json, write_yaml
from polytask.storage.state_folder import has_state, load_state, save_state, state_digest

__all__ = [
    "delete_checkpoints",
    "exclusive_lock",
    "has_state",
    "load_checkpoint",
    "load_state",
    "make_folder",
    "read_json",
    "read_yaml",
    "save_checkpoint",
    "save_state",
    "state_digest",
    "storage_errors",
    "write_bytes",
    "write_json",
    "write_text",
    "write_yaml",
]
