"""The head that moves the pedal (`performance.pedalling`), trained on ASAP's performances and a model's encoder.

    python -m experiments.touch_pedal ASAP -o pianist_jax/weights/touch/pedal.safetensors --cache pairs/cache

Of every gap between the chords of a performance it learns whether the pedal (controller 64, across 64) comes up and
goes down in it, and when, from the encoder's states of the chords around, read at their own tempo. When is a matter of
the pianist too: a few numbers of each performance, held near 0, are learnt beside the network. An eighth
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
    KINDS,
    LAYERS,
    LIFTS,
    TIMES,
    chord_states,
    chosen_moves,
    depths_of,
    drawn_times,
    gap_features,
    moves_expected,
)
from pianist_jax.rendering.renderer import at_factor, read_piece

SET_ASIDE = 8  # every so many-th composition
BATCH, RATE, WIDTHS = 1024, 2e-3, (192, 96, int(KINDS[-1]) + len(LIFTS) - 1)
PIANIST, PRIOR = 6, 0.05  # numbers; how they are held near 0
TIMING = 0.3  # weight of the nats of each time
DEAF, FORGETFUL = 0.2, 0.3  # dropout of the features and of the first layer


@dataclass(frozen=True, eq=False)
class Read:
    """A piece as the encoder reads it: states float32 [N, D], its chords, and its performances' clocks and pedals.

    Clocks float64 [C] ms; a pedal's moves up and down float64 ms each, and its `depths_of`. `slowness`: usual performed
    over written time.
    """

    composition: str
    states: np.ndarray
    chords: Chords
    clocks: list[np.ndarray]
    moves: list[tuple[np.ndarray, np.ndarray]]
    depths: list[np.ndarray]
    slowness: float
    reference: Reference | None


def collect(pieces: Sequence[PlayedPiece], model: Model, judged: bool) -> Iterator[Read]:
    """The pieces, read at the usual tempo of the performances that are worth learning from."""
    for piece in pieces:
        assert piece.source is not None
        chords, clocks, depths = chords_of(piece.score), list[np.ndarray](), list[np.ndarray]()
        moves: list[tuple[np.ndarray, np.ndarray]] = []
        for human in piece.humans:
            if share_matched(human.match) >= LEAST_MATCHED:
                playing = deal(human.notes, human.match)
                clock = time_map(chords, playing.onset).to_performed(chords.onset)
                steps = np.arange(len(clock))
                clocks.append(np.maximum.accumulate(clock - steps) + steps)
                times, downward = crossings(playing.pedal_time, playing.pedal_value)
                moves.append((times[~downward], times[downward]))
                depths.append(depths_of(playing.pedal_time, playing.pedal_value) if len(times) else np.zeros((2, 0)))
        if not clocks:
            continue
        written = max(chords.onset[-1] - chords.onset[0], 1.0)
        slowness = float(np.median([(clock[-1] - clock[0]) / written for clock in clocks]))
        states = predict(model, at_factor(read_piece(piece.source), slowness).tokens).states
        assert states is not None
        reference = reference_of(piece) if judged else None
        states = chord_states(states, chords)
        yield Read(piece.composition, states, chords, clocks, moves, depths, slowness, reference)


def targets(clock: np.ndarray, moves: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """int8 [C - 1, 5]: whether a pedal first comes up and goes down in each gap; which of `TIMES` each is, which of
    `LIFTS` lies between the two; -1 where there is none.
    """
    when = np.full((len(clock) - 1, 2), np.nan)
    for kind, times in enumerate(moves):
        gap = np.searchsorted(clock, times + EARLY, side="right") - 1
        for place, time in zip(gap.tolist(), times.tolist(), strict=True):
            if 0 <= place < len(when) and np.isnan(when[place, kind]):
                when[place, kind] = time - clock[place]
    lift = when[:, 1] - when[:, 0]
    bins = [_bin(when[:, 0], TIMES), _bin(when[:, 1], TIMES), _bin(np.where(lift > 0, lift, np.nan), LIFTS)]
    return np.stack([*np.isfinite(when).T, *bins], axis=1).astype(np.int8)


def _bin(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    inside = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return np.where(np.isfinite(values), inside, -1)


def rows(read: Sequence[Read]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features float16, targets and the number of the performance of every gap of those with a pedal; their depths."""
    x, y, depths = [], [], []
    for piece in read:
        for clock, moves, depth in zip(piece.clocks, piece.moves, piece.depths, strict=True):
            if len(moves[0]) + len(moves[1]):
                depths.append(depth)
                x.append(gap_features(piece.states, clock).astype(np.float16))
                y.append(targets(clock, moves))
    of = np.repeat(np.arange(len(y)), [len(one) for one in y])
    return np.concatenate(x), np.concatenate(y), of, np.stack(depths)


def apply(params: Any, x: Any, pianist: Any = None, key: Any = None) -> Any:
    """What is said [B, ·] of normalised features (`pedalling.moves_expected`), with dropout where there is a key."""
    if key is not None:
        x = x * jax.random.bernoulli(key, 1 - DEAF, x.shape) / (1 - DEAF)
    for layer in LAYERS:
        x = x @ params[layer] + params[f"{layer}_bias"]
        x = jax.nn.gelu(x) if layer != LAYERS[-1] else x
        if key is not None and layer == LAYERS[0]:
            kept = jax.random.bernoulli(jax.random.fold_in(key, 1), 1 - FORGETFUL, x.shape)
            x = x * kept / (1 - FORGETFUL)
    return x if pianist is None else x.at[:, KINDS[0] :].add(pianist @ params["own"])


def losses(said: Any, y: Any) -> Any:
    """float32 [5]: nats of up and down, and of the times of each and between them, where they are."""
    odds, *times = jnp.split(said, KINDS, axis=1)
    entropy = optax.sigmoid_binary_cross_entropy(odds, y[:, :2].astype(jnp.float32)).mean(axis=0)
    found = []
    for kind, one in enumerate(times, 2):
        there = y[:, kind] >= 0
        nats = optax.softmax_cross_entropy_with_integer_labels(one, jnp.maximum(y[:, kind], 0).astype(jnp.int32))
        found.append((nats * there).sum() / (there.sum() + 1))
    return jnp.concatenate([entropy, jnp.stack(found)])


def initial(x: np.ndarray, performances: int, seed: int) -> dict[str, Any]:
    """Weights to begin with."""
    keys, params = jax.random.split(jax.random.key(seed), len(LAYERS) + 2), dict[str, Any]()
    for layer, inputs, outputs, key in zip(LAYERS, (x.shape[1], *WIDTHS), WIDTHS, keys, strict=False):
        scale = 0.05 if layer == LAYERS[-1] else inputs**-0.5
        params |= {layer: scale * jax.random.normal(key, (inputs, outputs)), f"{layer}_bias": jnp.zeros(outputs)}
    params["out_bias"] = params["out_bias"].at[:2].set(-1.0)
    params["own"] = 0.1 * jax.random.normal(keys[-1], (PIANIST, WIDTHS[-1] - KINDS[0]))
    return params | {"pianists": 0.1 * jax.random.normal(keys[-2], (performances, PIANIST))}


def train(x: np.ndarray, y: np.ndarray, of: np.ndarray, steps: int, seed: int) -> dict[str, np.ndarray]:
    """Weights of the network over features as they are: their normalisation is part of the first layer."""
    rng = np.random.default_rng(seed)
    some = x[rng.integers(0, len(x), 50_000)].astype(np.float32)
    mean, deviation = some.mean(axis=0), some.std(axis=0) + 1e-3
    params = initial(x, int(of.max()) + 1, seed)
    optimizer = optax.adamw(optax.cosine_decay_schedule(RATE, steps), weight_decay=0.05)
    state, share = optimizer.init(params), PRIOR * (int(of.max()) + 1) / len(y)

    @jax.jit
    def step(params: Any, state: Any, x: Any, y: Any, of: Any, key: Any) -> Any:
        def loss(params: Any) -> Any:
            pianist = params["pianists"][of] * jax.random.bernoulli(jax.random.fold_in(key, 2), 0.9, (len(of), 1))
            prior = share * 0.5 * jnp.sum(params["pianists"][of] ** 2, axis=1).mean()
            weight = jnp.array([1.0, 1.0, TIMING, TIMING, TIMING])
            return jnp.sum(weight * losses(apply(params, x, pianist, key), y)) + prior

        value, gradients = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, value

    for number in range(steps):
        at = rng.integers(0, len(y), BATCH)
        batch = (x[at].astype(np.float32) - mean) / deviation, y[at], of[at]
        params, state, value = step(params, state, *batch, jax.random.key(number))
        if number % 500 == 499:
            print(f"step {number + 1}: {float(value):.3f}", flush=True)
    found = {name: np.asarray(value) for name, value in params.items()}
    found["in_bias"] = found["in_bias"] - (mean / deviation) @ found["in"]
    found["in"] = found["in"] / deviation[:, None]
    return {name: value.astype(np.float16 if value.ndim == 2 else np.float32) for name, value in found.items()}


def usual_nats(y: np.ndarray, other_y: np.ndarray) -> np.ndarray:
    """float64 [5]: nats of other targets by how often each is among `y`."""
    share = y[:, :2].mean(axis=0)
    found = list(-(other_y[:, :2] * np.log(share) + (1 - other_y[:, :2]) * np.log(1 - share)).mean(axis=0))
    for kind, count in enumerate(np.diff(KINDS, append=WIDTHS[-1]), 2):
        often = np.bincount(y[y[:, kind] >= 0, kind], minlength=count) + 1
        found.append(-np.log(often / often.sum())[other_y[other_y[:, kind] >= 0, kind]].mean())
    return np.array(found)


def agreement(read: Sequence[Read], weights: dict[str, np.ndarray]) -> tuple[float, float, float]:
    """F1 of the moves with each human's, of the humans' with each other's, and moves for one of a human."""
    ours, theirs, count = [], [], []
    for piece in read:
        assert piece.reference is not None
        clock, score = piece.chords.onset * piece.slowness, piece.chords.onset
        said = moves_expected(gap_features(piece.states, clock), weights)
        offset, _ = drawn_times(said[:, 2:], np.diff(clock), None)
        moves = chosen_moves(1 / (1 + np.exp(-said[:, :2])), offset)
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
    x, y, of, depths = rows([one for one in read["train"] if one.composition not in aside])
    other_x, other_y, *_ = rows([one for one in read["train"] if one.composition in aside])
    weights = train(x, y, of, options.steps, options.seed) | {"depths": depths}
    said = moves_expected(other_x.astype(np.float32), weights)
    nats = np.asarray(losses(jnp.asarray(said), jnp.asarray(other_y)))
    offset, _ = drawn_times(said[:, 2:], np.full(len(said), np.inf), None)
    played = len(chosen_moves(1 / (1 + np.exp(-said[:, :2])), offset)) / other_y[:, :2].sum()
    print(f"set aside, nats: {nats.round(4)} up, down, when up, when down, lift; {played:.2f} moves for one made")
    print(f"    by how often each is: {usual_nats(y, other_y).round(4)}")
    ours, theirs, count = agreement(read["validation"], weights)
    print(f"validation: F1 {ours:.3f}, humans {theirs:.3f}; {count:.2f} moves for one of a human's")
    weights["encoder"] = np.frombuffer(model.hash.encode(), np.uint8)
    replace_file(options.output, safetensors.numpy.save(weights), make_folder=True)


if __name__ == "__main__":
    main()
