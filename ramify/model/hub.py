"""Model folders from the Hugging Face hub (extra `hub`): safetensors and JSON only, never code or pickles."""

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from ramify.core.errors import CheckpointError

PATTERNS = ["*.json", "*.safetensors", "*.jinja"]


def download(name: str) -> str:
    """The local folder of a hub model, downloaded if it is not there yet.

    Raises:
        CheckpointError: no such model, or no network.
    """
    try:
        return str(snapshot_download(name, allow_patterns=PATTERNS))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(f"model {name!r}: no such folder, and the hub does not give it ({error})") from error
