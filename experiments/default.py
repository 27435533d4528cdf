"""The recipe of the default model: pre-train on every corpus, fine-tune on aligned pairs, learn the consensus, export.

    pianist pretrain --config experiments/default.py --data DIR --workdir RUN/pre
    pianist finetune --config experiments/default.py --data DIR --from RUN/pre --workdir RUN/fine
    pianist consensus --config experiments/default.py --data DIR --from RUN/fine --workdir RUN/consensus
    pianist export RUN/consensus default.safetensors

Each stage resumes where it stopped, ends by itself after --seconds and leaves a checkpoint. DIR holds the parts that
`pianist data export` writes: pieces to pre-train on, ASAP's pairs and POP909's. Fine-tuning brings every score to the
tempo of its performance, plays some of the pairs in part and gives performances without a score an invented one
(`TrainConfig.mixture`, `Augmentation.anchored`):

    pianist prepare pop1k7=P pianist8=Q pop909=R … --validation 0.05 --held-out asap=ASAP -o prepared
    pianist pairs ASAP -o pairs
    pianist pairs POP909 --scores POP909-Score --validation 0.05 -o pop-pairs
    pianist data export prepared/* pairs pop-pairs -o DIR

More pairs, half as many notes again, are found among recordings of other corpora; they are exported with the others:

    python -m experiments.found_pairs --scores pianocore-scores --recordings ecompetition rolls giantmidi \
        --asap ASAP -o FOUND
    pianist pairs FOUND -o found-pairs

On a machine without a MIDI reader, Grain or the command line's libraries the same runs as

    python -m experiments.default pretrain --data DIR --workdir RUN/pre --set model.attention=cudnn

Plan for half an hour of one H100 or H200 (measured on an H100: 7.0 M tokens/s, 13% MFU, 31 s to compile a stage):

    minutes  what
    0–3      start, send data (76 MB in two calls), time steps of both kinds of attention
    3–16     pretrain, 9 000 steps of 128 windows, resumed once; its loss on validation pieces is flat from step 6 000
    16–18    finetune, 1 200 steps of 64 windows; the validation loss is flat from step 500
    18–19    export as int8, 24 MB, brought back in two parts
    19–30    comparisons: no pre-training, the token decoder, larger models

On CPU cores go on from the bundled weights, as was done to teach these the written tempo: finetune --from
default.safetensors --set batch=4 model.dtype=float32 model.dropout=0 learning_rate=1.5e-4 warmup=60 steps=1150, with
the pop corpora alone for pretrain-*.part, an hour and a quarter of two cores; then consensus, export. Or train
`note-tiny` from nothing.
"""

import argparse
import dataclasses
import math
import sys
from pathlib import Path

from pianist_jax.config import TASKS, Augmentation, Mixture, TrainConfig, preset
from pianist_jax.config.changes import override
from pianist_jax.errors import PianistError
from pianist_jax.training.stages import export_run, run_stage


def get_config(stage: str, model: str = "note-small") -> TrainConfig:
    """Settings of a stage, "pretrain", "finetune" or "consensus", for one accelerator; the last does for CPU cores."""
    sizes = dataclasses.replace(preset(model), dtype="bfloat16")
    if stage == "pretrain":
        return TrainConfig(
            model=sizes,
            batch=128,
            steps=9_000,
            warmup=500,
            learning_rate=1.5e-3,
            augmentation=Augmentation(transpose=6),
        )
    if stage == "consensus":
        return TrainConfig(
            model=dataclasses.replace(preset(model), anchored=True, consensus=64, dropout=0.2),
            task="consensus",
            batch=8,
            steps=3_000,
            warmup=100,
            final_lr_ratio=0.02,
            log_every=20,
            evaluate_every=100,
            augmentation=Augmentation(transpose=6, velocity=0.0, retimed=0.4, anchored=True, drift=0.3),
            mixture=Mixture(thinned=0.3, pop=0.1),
        )
    return TrainConfig(
        model=dataclasses.replace(sizes, dropout=0.1, anchored=True),
        task="finetune",
        batch=64,
        steps=1_200,
        warmup=100,
        learning_rate=4e-4,
        final_lr_ratio=0.02,
        evaluate_every=100,
        ema_decay=0.99,
        augmentation=Augmentation(transpose=6, velocity=0.08, retimed=0.4, anchored=True, lost=0.5),
        mixture=Mixture(thinned=0.35, invented=0.15, pop=0.15),
    )


def main(arguments: list[str] | None = None) -> int:
    """Run one stage with nothing but JAX, Flax, Optax, Orbax and safetensors installed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=[*TASKS, "export"])
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
        if options.stage == "export":
            export_run(options.workdir, options.out, dtype=options.dtype)
        else:
            settings = dict(pair.split("=", 1) for pair in options.set)
            config = override(get_config(options.stage, options.model), settings)
            run_stage(config, options.data, options.workdir, source=options.source, seconds=options.seconds)
    except PianistError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
