"""A folder of weights as a hub takes it: `model.safetensors` and its model card, a README.md written from the run."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pianist_jax.files import replace_file
from pianist_jax.weights.hub import USUAL

CARD = "README.md"
TASKS = {
    "pretrain": "Pre-trained on performances alone, by filling in what is masked.",
    "finetune": "Fine-tuned on aligned pairs of score and performance.",
    "consensus": "Taught what pianists agree on, upon a fine-tuned model whose other weights stayed as they were.",
}


def write_card(folder: Path, about: Mapping[str, Any], parameters: int, dtype: str) -> None:
    """Write the card of the weights in a folder.

    `about` is what their file tells of the run: `config`, the run's settings, and `last`, the last line of its log with
    a `validation`. `parameters` counts the weights, `dtype` is how they are stored. Raises PianistError where the card
    cannot be written.
    """
    replace_file(folder / CARD, card_text(folder.name, about, parameters, dtype), make_folder=True)


def card_text(name: str, about: Mapping[str, Any], parameters: int, dtype: str) -> str:
    """The card as Markdown with the front matter that hubs read."""
    config, last = about["config"], about["last"]
    lines = ["---", "library_name: pianist_jax", "tags:", "- music", "- piano", "- performance-rendering", "---"]
    lines += [f"# {name}", ""]
    lines += [
        f"A model of {parameters / 1e6:.2f} M parameters ({config['model']['decoder']} decoder) that turns a piano"
    ]
    lines += [f"score into a performance. {TASKS[config['task']]} Weights are stored as {dtype}.", ""]
    lines += ["    pip install 'pianist_jax[hub]'", f"    pianist render score.musicxml --model hub:OWNER/{name}", ""]
    lines += [
        "**Licence.** Not told by the run: weights stand under the terms of the corpora they learnt from. Put the"
    ]
    lines += ["licence's name as `license:` into the head of this file before it is published.", ""]
    lines += ["**Training.** The settings that its steps were made with:", "", "| | |", "|---|---|"]
    lines += [f"| `{key}` | {value} |" for key, value in _leaves(config)]
    lines += ["", "**Validation.** " + (f"After step {last['step']}:" if last else "None was measured."), ""]
    if last:
        lines += ["| | |", "|---|---|", *(f"| {key} | {value:.4g} |" for key, value in _leaves(last["validation"]))]
    return "\n".join(lines).rstrip() + "\n"


def published(folder: Path) -> Path:
    """Where the weights lie in a folder that is published."""
    return folder / USUAL


def _leaves(settings: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by their dotted names, as `--set` takes them."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{within}{name}.")
        else:
            yield f"{within}{name}", value if isinstance(value, float | int) else json.dumps(value).strip('"')
