"""The head that moves the pedal (`performance.pedalling`), trained on ASAP's performances and a model's encoder.

    python -m experiments.touch_pedal ASAP -o pianist_jax/weights/touch/pedal.safetensors --cache pairs/cache

Of every gap between the chords of a performance it learns whether the pedal (controller 64, across 64) comes up and
goes down in it, and when, from the encoder's states of the chords around, read at their own tempo. An eighth
of the training compositions is set aside to tell what `LEAST` gives as many moves as pianists make, without chance.
Told at the end: how well the moves of validation pieces agree with each human's (`evaluation.pedal.transition_f1`),
at the humans' usual tempo and without chance, beside the humans' own agreement.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import safetensors.numpy

from pianist_jax.data.pairs import LEAST_MATCHED
from pianist_jax.evaluation.aligned import Reference, reference_of
from pianist_jax.evaluation.dataset import load_pieces
from pianist_jax.evaluation.folders import Aligner
from pianist_jax.evaluation.pedal import PedalUse, transition_f1
from pianist_jax.evaluation.pieces import PlayedPiece
from pianist_jax.files import replace_file
from pianist_jax.inference.engine import Model, load_model
from pianist_jax.inference.predictions import predict
from pianist_jax.performance.alignment import share_matched
from pianist_jax.performance.parameters import Chords, chords_of, deal, time_map
from pianist_jax.performance.pedal_moves import crossings
from pianist_jax.performance.pedalling import (
    EARLY,
    LAYERS,
    OFFSET_UNIT,
    chosen_moves,
    gap_features,
    moves_expected,
)
from pianist_jax.rendering.renderer import at_factor, read_piece

SET_ASIDE = 8  # every so many-th composition
BATCH, RATE, WIDTHS = 1024, 2e-3, (192, 96, 4)
DEAF, FORGETFUL = 0.2, 0.3  # dropout of the features and of the first layer
LATEST = 10 * OFFSET_UNIT  # ms


@dataclass(frozen=True, eq=False)
class Read:
    """A piece as the encoder reads it: states float32 [N, D], its chords, and its performances' clocks and pedals.

    Clocks float64 [C] ms; a pedal's moves up and down float64 ms each. `slowness`: usual performed over written time.
    """

    composition: str
    states: np.ndarray
    chords: Chords
    clocks: list[np.ndarray]
    moves: list[tuple[np.ndarray, np.ndarray]]
    slowness: float
    reference: Reference | None


def collect(pieces: Sequence[PlayedPiece], model: Model, judged: bool) -> Iterator[Read]:
    """The pieces, read at the usual tempo of the performances that are worth learning from."""
    for piece in pieces:
        assert piece.source is not None
        chords, clocks, moves = chords_of(piece.score), list[np.ndarray](), list[tuple[np.ndarray, np.ndarray]]()
        for human in piece.humans:
            if share_matched(human.match) >= LEAST_MATCHED:
                playing = deal(human.notes, human.match)
                clock = time_map(chords, playing.onset).to_performed(chords.onset)
                steps = np.arange(len(clock))
                clocks.append(np.maximum.accumulate(clock - steps) + steps)
                times, downward = crossings(playing.pedal_time, playing.pedal_value)
                moves.append((times[~downward], times[downward]))
        if not clocks:
            continue
        written = max(chords.onset[-1] - chords.onset[0], 1.0)
        slowness = float(np.median([(clock[-1] - clock[0]) / written for clock in clocks]))
        states = predict(model, at_factor(read_piece(piece.source), slowness).tokens).states
        assert states is not None
        reference = reference_of(piece) if judged else None
        yield Read(piece.composition, states, chords, clocks, moves, slowness, reference)


def targets(clock: np.ndarray, moves: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """float32 [C - 1, 4]: whether a pedal first comes up and goes down in each gap, and when, in `OFFSET_UNIT`."""
    found = np.zeros((len(clock) - 1, 4), np.float32)
    for kind, times in enumerate(moves):
        gap = np.searchsorted(clock, times + EARLY, side="right") - 1
        for place, time in zip(gap.tolist(), times.tolist(), strict=True):
            if 0 <= place < len(found) and not found[place, kind]:
                found[place, kind] = 1
                found[place, 2 + kind] = min(max(time - clock[place], -OFFSET_UNIT), LATEST) / OFFSET_UNIT
    return found


def rows(read: Sequence[Read]) -> tuple[np.ndarray, np.ndarray]:
    """Features float16 and targets of every gap of every performance with a pedal."""
    x, y = [], []
    for piece in read:
        for clock, moves in zip(piece.clocks, piece.moves, strict=True):
            if len(moves[0]) + len(moves[1]):
                x.append(gap_features(piece.states, piece.chords, clock).astype(np.float16))
                y.append(targets(clock, moves))
    return np.concatenate(x), np.concatenate(y)


def apply(params: Any, x: Any, key: Any = None) -> Any:
    """Log-odds and times [B, 4] of normalised features, with dropout where there is a key."""
    if key is not None:
        x = x * jax.random.bernoulli(key, 1 - DEAF, x.shape) / (1 - DEAF)
    for layer in LAYERS:
        x = x @ params[layer] + params[f"{layer}_bias"]
        x = jax.nn.gelu(x) if layer != LAYERS[-1] else x
        if key is not None and layer == LAYERS[0]:
            kept = jax.random.bernoulli(jax.random.fold_in(key, 1), 1 - FORGETFUL, x.shape)
            x = x * kept / (1 - FORGETFUL)
    return x


def losses(params: Any, x: Any, y: Any, key: Any = None) -> Any:
    """float32 [4]: cross-entropies of up and down, and mean distances of their times, in `OFFSET_UNIT`."""
    out = apply(params, x, key)
    entropy = optax.sigmoid_binary_cross_entropy(out[:, :2], y[:, :2]).mean(axis=0)
    distance = (jnp.abs(out[:, 2:] - y[:, 2:]) * y[:, :2]).sum(axis=0) / (y[:, :2].sum(axis=0) + 1)
    return jnp.concatenate([entropy, distance])


def train(x: np.ndarray, y: np.ndarray, steps: int, seed: int) -> dict[str, np.ndarray]:
    """Weights of the network over features as they are: their normalisation is part of the first layer."""
    rng, keys = np.random.default_rng(seed), jax.random.split(jax.random.key(seed), len(LAYERS))
    some = x[rng.integers(0, len(x), 50_000)].astype(np.float32)
    mean, deviation = some.mean(axis=0), some.std(axis=0) + 1e-3
    params: dict[str, Any] = {}
    for layer, inputs, outputs, key in zip(LAYERS, (x.shape[1], *WIDTHS), WIDTHS, keys, strict=False):
        scale = 0.05 if layer == LAYERS[-1] else inputs**-0.5
        params |= {layer: scale * jax.random.normal(key, (inputs, outputs)), f"{layer}_bias": jnp.zeros(outputs)}
    params["out_bias"] = jnp.array([-1.0, -1.0, 0.0, 1.0])
    optimizer = optax.adamw(optax.cosine_decay_schedule(RATE, steps), weight_decay=0.05)
    state = optimizer.init(params)

    @jax.jit
    def step(params: Any, state: Any, x: Any, y: Any, key: Any) -> Any:
        weight = jnp.array([1.0, 1.0, 0.5, 0.5])
        value, gradients = jax.value_and_grad(lambda p: jnp.sum(weight * losses(p, x, y, key)))(params)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, value

    for number in range(steps):
        at = rng.integers(0, len(y), BATCH)
        batch = (x[at].astype(np.float32) - mean) / deviation, y[at]
        params, state, value = step(params, state, *batch, jax.random.key(number))
        if number % 500 == 499:
            print(f"step {number + 1}: {float(value):.3f}", flush=True)
    found = {name: np.asarray(value) for name, value in params.items()}
    found["in_bias"] = found["in_bias"] - (mean / deviation) @ found["in"]
    found["in"] = found["in"] / deviation[:, None]
    return {name: value.astype(np.float16 if value.ndim == 2 else np.float32) for name, value in found.items()}


def agreement(read: Sequence[Read], weights: dict[str, np.ndarray]) -> tuple[float, float, float]:
    """F1 of the moves with each human's, of the humans' with each other's, and moves for one of a human."""
    ours, theirs, count = [], [], []
    for piece in read:
        assert piece.reference is not None
        clock, score = piece.chords.onset * piece.slowness, piece.chords.onset
        odds, offset = moves_expected(gap_features(piece.states, piece.chords, clock), weights)
        offset = np.clip(offset, -EARLY, np.diff(clock)[:, None])
        moves = chosen_moves(1 / (1 + np.exp(-odds)), offset)
        time = [
            np.sort([score[k] + offset[k, int(d)] / piece.slowness for k, d in moves if d == way]) for way in (1, 0)
        ]
        use = PedalUse(time[0], time[1], np.zeros(0), 0.0, np.zeros((0, 2)))
        humans = [one for one in piece.reference.performances if len(one.pedal)]
        if humans:
            ours.append(np.mean([transition_f1(use, one.pedal, one.mapped) for one in humans]))
            count.append(len(use) / np.mean([len(one.pedal) for one in humans]))
        if len(humans) > 1:
            pairs = [(a, b) for a in humans for b in humans if a is not b]
            theirs.append(np.mean([transition_f1(a.pedal, b.pedal, b.mapped) for a, b in pairs]))
    return float(np.mean(ours)), float(np.mean(theirs)), float(np.mean(count))


def main() -> None:
    """Collect, train, tell how well, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("asap", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder of kept alignments")
    parser.add_argument("--model", default="default", help="whose encoder it is for")
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model, aligner = load_model(options.model), Aligner(options.cache)
    read = {}
    for split in ("train", "validation"):
        pieces = load_pieces(options.asap, aligner, split)
        read[split] = list(collect(pieces, model, split == "validation"))
        print(
            f"{split}: {len(read[split])} pieces, {sum(len(one.clocks) for one in read[split])} performances",
            flush=True,
        )
    compositions = sorted({one.composition for one in read["train"]})
    aside = set(compositions[SET_ASIDE - 1 :: SET_ASIDE])
    x, y = rows([one for one in read["train"] if one.composition not in aside])
    other_x, other_y = rows([one for one in read["train"] if one.composition in aside])
    weights = train(x, y, options.steps, options.seed)
    odds, offset = moves_expected(other_x.astype(np.float32), weights)
    chance = 1 / (1 + np.exp(-odds))
    entropy = -(other_y[:, :2] * np.log(chance) + (1 - other_y[:, :2]) * np.log(1 - chance)).mean(axis=0)
    share = y[:, :2].mean(axis=0)
    usual = -(other_y[:, :2] * np.log(share) + (1 - other_y[:, :2]) * np.log(1 - share)).mean(axis=0)
    played = len(chosen_moves(chance, offset)) / other_y[:, :2].sum()
    print(
        f"set aside: {entropy.round(4)} nats up, down ({usual.round(4)} by how often), {played:.2f} moves for one made"
    )
    ours, theirs, count = agreement(read["validation"], weights)
    print(f"validation: F1 {ours:.3f}, humans {theirs:.3f}; {count:.2f} moves for one of a human's")
    weights["encoder"] = np.frombuffer(model.hash.encode(), np.uint8)
    replace_file(options.output, safetensors.numpy.save(weights), make_folder=True)


if __name__ == "__main__":
    main()
