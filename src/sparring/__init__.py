"""Sparring: from text and a language model to a verdict between sparse coders."""
