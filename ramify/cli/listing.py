"""`ramify methods` and `ramify models`: what there is, with papers."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from safetensors import safe_open

from ramify.api import BUILTIN_MODELS, methods as registered_methods
from ramify.cli import options, quantities
from ramify.cli.document import Row, document, emit
from ramify.cli.reach import reach
from ramify.cli.terminal import out
from ramify.core.strict import keyword_options

PAPERS = {
    "llama": ("Llama 2, 3.x; SmolLM2", "arXiv:2307.09288, 2407.21783, 2502.02737"),
    "mistral": ("Mistral", "arXiv:2310.06825"),
    "qwen2": ("Qwen2, Qwen2.5", "arXiv:2407.10671, 2412.15115"),
    "qwen3": ("Qwen3", "arXiv:2505.09388"),
    "gemma2": ("Gemma 2", "arXiv:2408.00118"),
    "olmo2": ("OLMo 2", "arXiv:2501.00656"),
    "phi3": ("Phi-3", "arXiv:2404.14219"),
    "mixtral": ("Mixtral", "arXiv:2401.04088"),
}
ROLES = {
    "target": "draws the text",
    "draft": "a smaller target",
    "orm": "outcome reward, `builtin-orm`",
    "prm": "process reward, `builtin-prm`",
}
