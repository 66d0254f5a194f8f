"""Models from the Hugging Face hub, at a pinned revision. Loaded only when a spec names an `hf://` source."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from raftops.errors import ModelError

ALLOWED = ["*.safetensors", "*.json", "*.txt", "*.model"]


def download(name: str, revision: str) -> Path:
    """The snapshot's folder in the hub's own cache; only weights and text are fetched, never code or pickles."""
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=ALLOWED))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"hf://{name}@{revision}: cannot be fetched ({reason})",
            next_step=f"check name, revision and network, or fetch it elsewhere with `hf download {name} "
            f"--revision {revision}` and name the folder by file://",
        ) from error
