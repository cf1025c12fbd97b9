"""One trunk for all tasks, in whole or in part."""
