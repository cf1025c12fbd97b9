"""Options of the commands that measure: relatedness of tasks, and learning curves."""
