"""The one place where images are named."""

from raftops import __version__

REGISTRY = "ghcr.io/raftops"


def image(step: str, registry: str = REGISTRY) -> str:
    """The image of a step: registry/step:version."""
    return f"{registry}/{step}:{__version__}"
