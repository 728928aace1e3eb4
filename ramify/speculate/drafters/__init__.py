"""Drafters, one per file: where drafted tokens come from."""
