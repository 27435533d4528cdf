"""The model card that own runs publish with."""

import dataclasses
import json
from pathlib import Path

from pianist_jax.config import TrainConfig, preset
from pianist_jax.weights.card import card_text, write_card

ABOUT = {
    "config": dataclasses.asdict(TrainConfig(model=preset("note-tiny"), task="finetune", steps=1200)),
    "last": {"step": 1150, "validation": {"note": 14.87912, "velocity": 3.18}},
}


def test_it_tells_settings_and_figures_of_the_run(tmp_path: Path) -> None:
    told = json.loads(json.dumps(ABOUT))  # as it stands in a weights file
    write_card(tmp_path / "mine", told, 22_960_000, "int8")
    card = (tmp_path / "mine" / "README.md").read_text()
    assert card == card_text("mine", told, 22_960_000, "int8")
    assert card.startswith("---\nlibrary_name: pianist_jax\n")
    assert "# mine\n\nA model of 22.96 M parameters (note decoder)" in card
    assert "Fine-tuned on aligned pairs" in card
    assert "--model hub:OWNER/mine" in card
    assert "| `steps` | 1200 |" in card
    assert f"| `model.width` | {ABOUT['config']['model']['width']} |" in card
    assert "After step 1150:" in card
    assert "| note | 14.88 |" in card


def test_a_run_that_was_not_measured_says_so() -> None:
    card = card_text("mine", {**ABOUT, "last": {}}, 1000, "float32")
    assert card.endswith("None was measured.\n")
