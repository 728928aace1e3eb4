"""The command line: a thin face over `ramify.api`."""
