"""Render HTML pages and charts."""
