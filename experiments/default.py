"""The recipe of the default model: pre-train on every corpus, fine-tune on aligned pairs, export.

    python -m experiments.default pretrain --data DIR --workdir RUN [--seconds S] [--set batch=128 …]
    python -m experiments.default finetune --data DIR --workdir RUN [--from PRETRAINED]
    python -m experiments.default export --workdir RUN --out FILE.safetensors

Each stage is one command that resumes where it stopped, ends by itself after --seconds and leaves a
checkpoint. DIR holds the parts that `pianist data export` writes (pretrain-*.part, pairs-*.part). Needs no
Grain and no MIDI reader.
"""

import argparse
import dataclasses
import json
import math
import sys
from pathlib import Path

import jax

from pianist_jax.config import Augmentation, TrainConfig, override, preset
from pianist_jax.data.parts import load_pairs, load_parts
from pianist_jax.data.windows import pair_windows, piece_windows
from pianist_jax.errors import PianistError
from pianist_jax.training import checkpoints
from pianist_jax.training.loop import train
from pianist_jax.training.steps import new_state
from pianist_jax.weights import load_weights, save_weights


def get_config(stage: str, model: str = "note-small") -> TrainConfig:
    """Settings of a stage, "pretrain" or "finetune", for one accelerator."""
    sizes = dataclasses.replace(preset(model), dtype="bfloat16")
    if stage == "pretrain":
        return TrainConfig(model=sizes, batch=128, steps=8_000, warmup=400, learning_rate=1.5e-3)
    sizes = dataclasses.replace(sizes, dropout=0.1)
    return TrainConfig(
        model=sizes, task="finetune", batch=64, steps=2_000, warmup=100, learning_rate=4e-4, evaluate_every=100,
        final=0.02, augmentation=Augmentation(transpose=6, tempo=0.22, velocity=0.08),
    )  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run one stage from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=["pretrain", "finetune", "export"])
    parser.add_argument("--model", default="note-small")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--from", dest="source", type=Path, help="weights file or workdir to begin from")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--dtype", default="int8", choices=["int8", "bfloat16", "float32"])
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    options = parser.parse_args(arguments)
    try:
        export(options) if options.stage == "export" else run(options)
    except PianistError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def run(options: argparse.Namespace) -> None:
    """Train one stage."""
    settings = dict(pair.split("=", 1) for pair in options.set)
    config = override(get_config(options.stage, options.model), settings)
    pairs = load_pairs(sorted(options.data.glob("pairs-*.part")))
    validation = pair_windows(pairs, config.window, "validation", stride=config.window)
    if options.stage == "pretrain":
        windows = piece_windows(load_parts(sorted(options.data.glob("pretrain-*.part"))), config.window)
    else:
        windows = pair_windows(pairs, config.window, "train")
    options.workdir.mkdir(parents=True, exist_ok=True)
    (options.workdir / "config.json").write_text(json.dumps(dataclasses.asdict(config), indent=1))
    initial = parameters(options.source)[1] if options.source else None
    train(config, windows, validation, options.workdir, initial=initial, seconds=options.seconds)


def export(options: argparse.Namespace) -> None:
    """Write the parameters of a run to a single weights file."""
    config, params = parameters(options.workdir)
    plain = dataclasses.replace(config, dtype="float32", attention="xla", dropout=0.0, remat=False)
    log = [json.loads(line) for line in (options.workdir / "log.jsonl").read_text().splitlines()]
    last = next((line for line in reversed(log) if "validation" in line), {})
    about = {"config": json.loads((options.workdir / "config.json").read_text()), "last": last}
    save_weights(options.out, plain, params, dtype=options.dtype, metadata=about)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")


def parameters(source: Path) -> tuple:
    """Model settings and parameters of a weights file or of the last checkpoint of a run."""
    if source.is_file():
        return load_weights(source)
    settings = json.loads((source / "config.json").read_text())
    parts = {
        "model": type(preset("tiny")),
        "augmentation": Augmentation,
        "masking": type(TrainConfig().masking),
    }
    config = TrainConfig(
        **{key: parts[key](**value) if key in parts else value for key, value in settings.items()}
    )
    state = checkpoints.restore(
        checkpoints.open_checkpoints(source / "checkpoints"), jax.eval_shape(lambda: new_state(config))
    )
    if state is None:
        raise PianistError(f"{source}: holds no checkpoint; train first")
    return config.model, state["params"]


if __name__ == "__main__":
    sys.exit(main())
