"""An encoder per task, coupled by penalties or by exchanged features."""
