"""Render summaries for the terminal."""
