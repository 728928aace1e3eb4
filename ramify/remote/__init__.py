"""Searches against somebody else's server: the wants of `core.wants`, answered over HTTP by OpenAI's interface."""
