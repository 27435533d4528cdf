"""Nats a note on music that no fine-tuning has seen: pop with invented scores, pop with its own, pianists' pairs.

    python -m experiments.held_out --data parts --prepared prepared/pop1k7 prepared/pianist8 prepared/pop909 \
        --model default OTHER.safetensors

Invented pop are the songs that `pianist prepare --validation 0.05` keeps apart, by title, each window of 512 notes with
an invented deadpan score (`data.corruption.deadpan`), the same ones every time; real pop the songs of POP909 that
`pianist pairs --validation 0.05` does. Pairs are ASAP's validation pieces. All are told twice: with the times of
their scores as they stand, and at the tempo of the performance (`corruption.anchor`, no chance), which is what the
bundled weights have learnt to trust. The pedal counts where it was recorded, and in `note` only; `notes` is IOI,
velocity and duration.
"""

import argparse
import dataclasses
from pathlib import Path

import jax
import numpy as np

from experiments.study import nats
from pianist_jax.config import Augmentation, TrainConfig
from pianist_jax.data.invention import invented
from pianist_jax.data.parts import Corpus, choose, load_pairs
from pianist_jax.data.records import compact, unpack_piece
from pianist_jax.data.shards import read_prepared, read_shard
from pianist_jax.data.sources import PEDALS
from pianist_jax.data.windows import Windows, pair_windows
from pianist_jax.weights import load_weights, weights_path

FIELDS = ("ioi", "velocity", "duration")
WINDOW, SPLIT_SEED = 512, 0


def held_out(folders: list[Path]) -> Corpus:
    """The pieces of prepared folders that were kept to validate on."""
    prepared = [read_prepared(folder) for folder in folders]
    pieces = [
        (number, unpack_piece(record))
        for number, each in enumerate(prepared)
        for shard in each.validation
        for record in read_shard(shard)
    ]
    columns = [compact(piece.tokens) for _, piece in pieces]
    return Corpus(
        np.concatenate(columns),
        np.concatenate([[0], np.cumsum([len(own) for own in columns])]).astype(np.int64),
        np.array([number for number, _ in pieces], np.int32),
        np.array([PEDALS.index(piece.pedal) for _, piece in pieces], np.uint8),
        tuple(piece.file for _, piece in pieces),
        tuple(each.source for each in prepared),
    )


def domains(data: Path, folders: list[Path]) -> dict[str, Windows]:
    """Windows of each kind of held-out music."""
    pairs = load_pairs(sorted(data.glob("pairs-*.part")))
    popular = np.array([about["corpus"] == "pop909" for about in pairs.metadata])
    made = invented(held_out(folders), WINDOW, jax.random.key(SPLIT_SEED))
    of_pop = choose(pairs, popular)
    return {
        "invented pop": pair_windows(made, WINDOW, "train"),
        "POP909 on its scores": pair_windows(of_pop, WINDOW, "validation", stride=WINDOW),
        "ASAP": pair_windows(choose(pairs, ~popular), WINDOW, "validation", stride=WINDOW),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--prepared", type=Path, nargs="+", required=True)
    parser.add_argument("--model", nargs="*", default=["default"])
    parser.add_argument("--most", type=int, default=200, help="windows of each kind")
    options = parser.parse_args()
    print("| | scores | windows | weights | IOI | velocity | duration | notes | note |\n" + "|---" * 9 + "|")
    for domain, windows in domains(options.data, options.prepared).items():
        chosen = np.linspace(0, len(windows["start"]) - 1, min(options.most, len(windows["start"]))).astype(int)
        rows = {name: windows[name][chosen] for name in ("start", "length", "has_pedal", "expressive", "slowness")}
        own = {**windows, **rows}
        for anchored in (False, True):
            for name in options.model:
                model, params = load_weights(Path(name) if Path(name).is_file() else weights_path(name))
                plain = dataclasses.replace(model, consensus=0)
                params = {part: value for part, value in params.items() if part != "consensus"}
                augmentation = Augmentation(anchored=anchored)
                config = TrainConfig(model=plain, task="finetune", batch=4, window=WINDOW, augmentation=augmentation)
                found = nats(config, params, own)
                cells = [*(found[field] for field in FIELDS), sum(found[field] for field in FIELDS), found["note"]]
                told = "anchored" if anchored else "as they stand"
                figures = " | ".join(f"{cell:.3f}" for cell in cells)
                print(f"| {domain} | {told} | {len(chosen)} | {Path(name).stem} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
