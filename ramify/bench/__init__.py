"""Measurements: every number that the README quotes, made again by `ramify bench`."""
