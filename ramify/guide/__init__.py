"""Factors made of models: what other models say shapes each law. One guide per file."""
