"""ramify: an inference engine for open language models in which generation branches."""

__version__ = "0.1.0"
