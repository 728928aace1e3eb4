"""`python -m ramify` is `ramify`."""

from ramify.cli.main import app

app(prog_name="ramify")
