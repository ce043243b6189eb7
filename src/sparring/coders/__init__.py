"""Sparse coders: what to train, training from the cache, and the trained coder."""
