"""Architectures with one encoder per task, coupled by penalties or exchanged features."""
