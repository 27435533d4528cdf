"""The head that places the notes of chords (`performance.chord_touch`), trained on ASAP's performances.

    python -m experiments.touch_chords performances.npz -o pianist_jax/weights/touch/chords.safetensors

`performances.npz` is of `experiments.touch_data`. A chord with a note further than 150 ms from its middle is taken for
a misalignment. What is one pianist's own is learnt beside the network, four numbers for each performance that are held
near 0; nats a note of validation performances are told for a pianist who is not known.

12 000 steps (2 minutes of one core): 3.06 nats a note, 3.62 by how often each bin is met. Struck anew, ASAP's
validation pieces (`experiments.touch_judge`) are told from humans by their chords alone at an AUC of .65 [.59, .71]
instead of .81 [.74, .87] (default), .66 [.59, .72] instead of .77 [.71, .83] (drawn once); top notes lead by 5.3 ms
(default), humans' by 4.5, the rule's by 9.5; place in the chord and velocity correlate at -.38, humans' at -.36, the
rule's at -.70. Chords spread by 19 ms, humans' by 25: the training performances spread by 21, and so does the hand
there. Of training tenths in the left hand pianists roll 41 in 100 (over 60 ms), the hand 28; upwards 95 and 90 in 100.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import safetensors.numpy

from experiments.touch_data import Sample, read
from pianist_jax.files import replace_file
from pianist_jax.performance.chord_touch import BINS, LAYERS, bins_of, chord_notes, seen_above
from pianist_jax.performance.parameters import chords_between

FAR = 150.0  # ms
PIANIST = 4  # numbers
WIDTH, BATCH, RATE, PRIOR = 96, 2048, 3e-3, 0.05
LAPSE = 0.1  # share of notes that are learnt without knowing the pianist


def rows_of(one: Sample) -> tuple[np.ndarray, np.ndarray]:
    """float32 [n, F], int64 [n]: what the network sees of each note below a chord's highest, and its bin."""
    chords = chords_between(one.pitch, one.start, one.end)
    played = np.flatnonzero(np.isfinite(one.onset))
    _, of = np.unique(chords.of[played], return_inverse=True)
    onset = one.onset[played].astype(np.float64)
    clock = np.bincount(of, onset) / np.bincount(of)
    far = np.bincount(of, np.abs(onset - clock[of]) > FAR) > 0
    clock = np.maximum.accumulate(clock)
    notes = chord_notes(one.pitch[played], one.metre[played, 3], of, one.velocity[played], clock)
    onset = onset[notes.order]
    offset = onset - onset[np.arange(len(onset)) - notes.rank]
    x, y = [], []
    for rank in range(1, int(notes.rank.max(initial=0)) + 1):
        at = np.flatnonzero((notes.rank == rank) & ~far[notes.chord])
        x.append(np.concatenate([notes.known[at], seen_above(offset, at, rank)], axis=1))
        y.append(bins_of(offset[at]))
    return np.concatenate(x), np.concatenate(y)


def gather(samples: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, bins and the number of the performance of each."""
    made = [rows_of(one) for one in samples]
    of = np.repeat(np.arange(len(made)), [len(y) for _, y in made])
    return np.concatenate([x for x, _ in made]), np.concatenate([y for _, y in made]), of.astype(np.int32)


def initial(rng: np.random.Generator, inputs: int, performances: int, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Weights to begin with: the last layer says how often each bin is met."""
    sizes = (inputs + PIANIST, WIDTH, WIDTH, BINS)
    params: dict[str, np.ndarray] = {"pianists": np.zeros((performances, PIANIST), np.float32)}
    for layer, rows, columns in zip(LAYERS, sizes, sizes[1:], strict=False):
        scale = np.sqrt(2 / rows) * (layer != LAYERS[-1])
        params[layer] = (scale * rng.standard_normal((rows, columns))).astype(np.float32)
        params[f"{layer}_bias"] = np.zeros(columns, np.float32)
    params["out_bias"] = np.log((counts + 1) / counts.sum()).astype(np.float32)
    params["pianists"] += 0.1 * rng.standard_normal(params["pianists"].shape).astype(np.float32)
    return params


def nats(params: Any, x: Any, y: Any, pianist: Any) -> Any:
    """float32 [n]: of each row's bin."""
    x = jnp.concatenate([x, pianist], axis=1)
    for layer in LAYERS:
        x = x @ params[layer] + params[f"{layer}_bias"]
        x = jax.nn.relu(x) if layer != LAYERS[-1] else x
    return optax.softmax_cross_entropy_with_integer_labels(x, y)


def train(x: np.ndarray, y: np.ndarray, of: np.ndarray, steps: int, seed: int) -> dict[str, np.ndarray]:
    """Weights after so many steps."""
    rng = np.random.default_rng(seed)
    params = initial(rng, x.shape[1], int(of.max()) + 1, np.bincount(y, minlength=BINS))
    optimizer = optax.adam(optax.cosine_decay_schedule(RATE, steps, alpha=0.02))
    state = optimizer.init(params)
    share = PRIOR * len(params["pianists"]) / len(y)

    def loss(params: Any, x: Any, y: Any, of: Any, known: Any) -> Any:
        pianist = params["pianists"][of] * known[:, None]
        prior = share * 0.5 * jnp.sum(params["pianists"][of] ** 2, axis=1).mean()
        return nats(params, x, y, pianist).mean() + prior

    @jax.jit
    def step(params: Any, state: Any, *batch: Any) -> Any:
        value, gradients = jax.value_and_grad(loss)(params, *batch)
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(params, updates), state, value

    running = 0.0
    for number in range(steps):
        at = rng.integers(0, len(y), BATCH)
        known = (rng.random(BATCH) >= LAPSE).astype(np.float32)
        params, state, value = step(params, state, x[at], y[at], of[at], known)
        running = 0.99 * running + 0.01 * float(value)
        if number % 1000 == 999:
            print(f"step {number + 1}: {running / (1 - 0.99 ** (number + 1)):.3f}", flush=True)
    return {name: np.asarray(value) for name, value in params.items()}


def main() -> None:
    """Train, tell how well, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("performances", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    x, y, of = gather(read(options.performances, "train"))
    other_x, other_y, _ = gather(read(options.performances, "validation"))
    counts = np.bincount(y, minlength=BINS)
    print(f"{len(y)} notes of {of[-1] + 1} performances; validation {len(other_y)} notes")
    print(f"by how often each is met: {-np.log(counts / len(y) + 1e-9)[other_y].mean():.3f} nats a note", flush=True)
    params = train(x, y, of, options.steps, options.seed)
    nobody = np.zeros((len(other_y), PIANIST), np.float32)
    print(f"validation, the pianist unknown: {float(nats(params, other_x, other_y, nobody).mean()):.3f}")
    print("deviation of the pianists' numbers:", params["pianists"].std(0).round(2))
    replace_file(options.output, safetensors.numpy.save(params), make_folder=True)


if __name__ == "__main__":
    main()
