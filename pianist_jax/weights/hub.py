"""Weights by name from the Hugging Face hub: `hub:OWNER/NAME`, fetched once and kept in that client's cache."""

from pathlib import Path

from pianist_jax.errors import PianistError, require

PREFIX = "hub:"
USUAL = "model.safetensors"


def fetch(name: str) -> Path:
    """The weights file of `hub:OWNER/NAME`, of this program's format or of the published one.

    What was fetched before is found without a network too. Raises PianistError where the extra `hub` is not installed,
    the repository cannot be had, or it does not hold one file of weights.
    """
    require("hub")
    import huggingface_hub

    repository = name.removeprefix(PREFIX)
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise PianistError(f"{name}: give hub:OWNER/NAME")
    patterns = ["*.safetensors", "*.json"]
    try:
        folder = Path(huggingface_hub.snapshot_download(repository, allow_patterns=patterns))
    except Exception as error:  # its client, and the one of HTTP beneath it, raise what they like
        why = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise PianistError(
            f"{name}: cannot be fetched ({why[0]}); check the name and the network, or give a weights file"
        ) from error
    files = sorted(folder.glob("*.safetensors"))
    usual = [file for file in files if file.name == USUAL]
    if len(files) != 1 and not usual:
        found = ", ".join(file.name for file in files) or "no .safetensors file"
        raise PianistError(f"{name}: which weights is not clear ({found}); fetch one and give its path")
    return (usual or files)[0]
