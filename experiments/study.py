"""What the studies share: small runs, each trained once and judged alike, told as one table and one picture.

A study is a file that names its runs and says what came out. All of them are started in the same way:

    python -m experiments.masking --data parts --workdir RUNS [--asap ASAP --cache CACHE]

DIR/parts are what `pianist data export` writes. Every run leaves `RUNS/NAME.safetensors` and is then not trained
again; a run that was stopped resumes. What came out goes to `experiments/results/STUDY.json` and `.png`. With
`--asap` models also play the validation pieces and are judged as `pianist evaluate` judges. `--only RUN …` takes some
of the runs, so that several machines or cores share a study; `--list` tells what there is to do. The runs are as
small as two CPU cores allow; for an accelerator `--longer 50 --set model.width=384 --set batch=128 --set
model.dtype=bfloat16` makes them larger.

No study sees the pop and jazz pieces that `unseen` names: they are kept for `experiments/out_of_domain.py`.
"""

import argparse
import dataclasses
import functools
import json
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pianist_jax.config import Augmentation, ModelConfig, TrainConfig, preset
from pianist_jax.config.changes import override
from pianist_jax.data.parts import Corpus, choose, load_pairs, load_parts
from pianist_jax.data.windows import Windows, pair_windows, piece_windows
from pianist_jax.errors import PianistError
from pianist_jax.files import replacing
from pianist_jax.model.pianist import completed
from pianist_jax.model.sizes import num_params
from pianist_jax.training.flops import flops_per_note
from pianist_jax.training.loop import Observers, train
from pianist_jax.training.losses import per_field
from pianist_jax.training.steps import make_validate, weights
from pianist_jax.weights import load_weights, save_weights

RESULTS = Path(__file__).parent / "results"
POP = ("pop909", "pop1k7", "pianist8")
SAMPLES = 2  # performances of each validation piece
FIGURES = {
    "composite": "total",
    "velocity_r_single": "r vel.",
    "log_ioi_r_single": "r log-IOI",
    "log_articulation_r_single": "r log-artic.",
    "pedal_f1": "pedal F1",
    "intersection_overall": "∩",
    "js_overall": "JS",
}
Result = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Run:
    """One training: its name, its settings, and the run it begins with ("NAME", or "NAME@25%" on the way), if any.

    `share` is the part of the training pieces it sees. A run that is not `judged` only lends its weights to others.
    """

    name: str
    config: TrainConfig
    source: str = ""
    share: float = 1.0
    judged: bool = True


def small(**changes: Any) -> ModelConfig:
    """The model of the studies: a note decoder of 2.3 M parameters, 256 notes of context."""
    settings = {"width": 128, "feed_forward": 512, "heads": 2, "kv_heads": 1, "encoder_layers": 4, "window": 256}
    return override(preset("note-small"), {**settings, "decoder_layers": 2, **changes})


def pretraining(steps: int, model: ModelConfig | None = None, **changes: Any) -> TrainConfig:
    """Masked denoising of all corpora, 2 048 notes a step."""
    model = model or small()
    settings: dict[str, Any] = {"batch": 2048 // model.window, "warmup": 50, "learning_rate": 2e-3}
    settings |= {"log_every": 50, "evaluate_every": 100, "keep": 1, "augmentation": Augmentation(transpose=6)}
    return TrainConfig(model=model, window=model.window, steps=steps, **{**settings, **changes})


def finetuning(steps: int, model: ModelConfig | None = None, **changes: Any) -> TrainConfig:
    """Scores to performances of ASAP's training pairs, 2 048 notes a step."""
    settings = {"learning_rate": 1.5e-3, "final_lr_ratio": 0.02, "augmentation": Augmentation(6, 0.22, 0.08)}
    return pretraining(steps, model, task="finetune", **{**settings, **changes})


def unseen(files: Sequence[str]) -> np.ndarray:
    """Which pieces of the pop and jazz corpora no study trains on, bool: one in twenty, by the names of their files."""
    return np.array([zlib.crc32(file.encode()) % 20 == 0 for file in files])


def pop_pieces(corpus: Corpus) -> np.ndarray:
    """Which pieces come from the pop and jazz corpora, bool[P]."""
    return np.array([source.name in POP for source in corpus.sources])[corpus.source]


@dataclasses.dataclass
class Material:
    """What is trained and validated on, loaded when it is first asked for."""

    data: Path

    @functools.cached_property
    def pairs(self) -> Any:
        """The aligned pairs."""
        return load_pairs(sorted(self.data.glob("pairs-*.part")))

    @functools.cached_property
    def corpus(self) -> Corpus:
        """All pieces to pre-train on, less those kept for the end."""
        corpus = load_parts(sorted(self.data.glob("pretrain-*.part")))
        return choose(corpus, ~(pop_pieces(corpus) & unseen(corpus.files)))

    def windows(self, run: Run) -> Windows:
        """The windows that a run trains on."""
        if run.config.task == "finetune":
            return pair_windows(self.pairs, run.config.window, "train")
        if run.share == 1:
            return piece_windows(self.corpus, run.config.window)
        kept = np.random.default_rng(0).random(len(self.corpus.files)) < run.share
        return piece_windows(choose(self.corpus, kept), run.config.window)

    def validation(self, window: int) -> Windows:
        """All validation windows, end to end."""
        return pair_windows(self.pairs, window, "validation", stride=window)


def trained(run: Run, material: Material, workdir: Path, report: Callable[[str], None] = print) -> Any:
    """The parameters after a run: trained now, or as they were kept."""
    path = workdir / f"{run.name}.safetensors"
    if path.exists():
        return load_weights(path)[1]
    initial = None
    if run.source:
        initial = load_weights(workdir / f"{run.source}.safetensors")[1]
        initial = completed(run.config.model, initial)

    def keep(params: Any, step: int) -> str:
        name = f"{run.name}@{100 * step // run.config.steps}%"
        save_weights(workdir / f"{name}.safetensors", run.config.model, params, dtype="float32")
        return f"kept as {name}"

    report(f"--- {run.name}")
    observers = Observers(report=report, sample=keep)
    data, validation = material.windows(run), material.validation(run.config.window)
    state = train(run.config, data, validation, workdir / run.name, initial=initial, observers=observers)
    if int(state["step"]) < run.config.steps:
        raise PianistError(f"{run.name}: stopped on the way; the same command goes on")
    params = jax.device_get(weights(state))
    save_weights(path, run.config.model, params, dtype="float32")
    return params


def nats(config: TrainConfig, params: Any, windows: Windows) -> dict[str, float]:
    """Nats a slot of each field, and a note, over all of the windows."""
    batches = -(-len(windows["start"]) // config.batch)
    sums = make_validate(config, batches)(jax.device_put(params), jax.device_put(windows))
    return {field: round(value, 4) for field, value in per_field(sums).items()}


def result(run: Run, params: Any, material: Material, workdir: Path) -> Result:
    """What a finished run is told by: its size and work, the course of its validation loss, its final one."""
    config = run.config
    lines = [json.loads(line) for line in (workdir / run.name / "log.jsonl").read_text().splitlines()]
    notes = config.steps * config.batch * config.window
    return {
        "task": config.task,
        "source": run.source,
        "parameters": num_params(params),
        "notes": notes,
        "tflop": round(notes * flops_per_note(config.model, config.window) / 1e12, 1),
        "curve": [[line["step"], round(line["validation"]["note"], 4)] for line in lines if "validation" in line],
        "nats": nats(config, params, material.validation(config.window)),
    }


@dataclasses.dataclass
class Judge:
    """Lets models play the validation pieces of ASAP and judges them."""

    asap: Path
    cache: Path

    @functools.cached_property
    def pieces(self) -> list[Any]:
        """The pieces with their humans."""
        from pianist_jax.evaluation.dataset import load_pieces
        from pianist_jax.evaluation.folders import Aligner

        return load_pieces(self.asap, Aligner(self.cache))

    @functools.cached_property
    def ends(self) -> tuple[Any, Any]:
        """Reports of a left-out human and of the deadpan score: where the total is 1 and 0."""
        from pianist_jax.evaluation.suite import evaluate_controls

        reports = evaluate_controls(self.pieces, np.random.default_rng(0), names=("human", "deadpan"))
        return reports["human"], reports["deadpan"]

    def played(self, model: ModelConfig, params: Any, samples: int = SAMPLES) -> dict[str, float]:
        """The headline figures of a model's performances."""
        from pianist_jax.config import Sampling
        from pianist_jax.evaluation.candidates import render_candidates
        from pianist_jax.evaluation.composite import composite
        from pianist_jax.evaluation.suite import evaluate_pieces
        from pianist_jax.evaluation.table import figure
        from pianist_jax.inference.engine import make_model

        made = make_model(dataclasses.replace(model, dropout=0.0), params)
        own = render_candidates(
            "model", self.pieces, made, seed=0, samples=samples, sampling=Sampling(residual_scale=1.0)
        )
        performed = [own.performances[piece.name] for piece in self.pieces]
        report = evaluate_pieces(self.pieces, performed, np.random.default_rng(0))
        compositions = {piece.name: piece.composition for piece in self.pieces}
        report["composite"] = composite(report, *self.ends, compositions, np.random.default_rng(0))
        found = {key: figure(report, key) for key in FIGURES}
        return {key: round(value, 4) for key, value in found.items() if value is not None}


def read_results(path: Path) -> dict[str, Result]:
    """What has come out of a study so far, by run."""
    return json.loads(path.read_text()) if path.exists() else {}


def add_results(path: Path, found: Mapping[str, Any]) -> None:
    """Add to what has come out of a study, a line a run."""
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in {**read_results(path), **found}.items()]
    with replacing(path, make_folder=True) as unfinished:
        unfinished.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def table(results: Mapping[str, Result]) -> str:
    """A Markdown table of judged runs."""
    heads = ["run", "parameters", "notes", "TFLOP", "IOI", "velocity", "duration", "pedal", "nats a note"]
    played = [key for key in FIGURES if any(key in one.get("played", {}) for one in results.values())]
    rows = [[*heads, *(FIGURES[key] for key in played)]]
    rows.append(["---"] * len(rows[0]))
    for name, one in results.items():
        own = [name, f"{one['parameters'] / 1e6:.2f} M", f"{one['notes'] / 1e6:.2f} M", f"{one['tflop']:.0f}"]
        own += [f"{one['nats'][field]:.3f}" for field in ("ioi", "velocity", "duration", "pedal", "note")]
        rows.append([*own, *(f"{one['played'][key]:.3f}" if "played" in one else "–" for key in played)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def curves(results: Mapping[str, Result], path: Path, title: str, across: str = "notes") -> None:
    """The validation loss of every run over the `notes` it has seen, or over its `tflop`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for name, one in results.items():
        steps, loss = np.array(one["curve"]).T
        whole = one[across] * (1e-6 if across == "notes" else 1)
        axes.plot(steps / steps[-1] * whole, loss, label=name, linewidth=1.4)
    axes.set(xlabel={"notes": "million notes", "tflop": "TFLOP"}[across], ylabel="validation, nats a note", title=title)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


def options(about: str | None) -> argparse.ArgumentParser:
    """The command line that every study has."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("parts"), help="folder of exported parts")
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--asap", type=Path, help="let models play its validation pieces")
    parser.add_argument("--cache", type=Path, default=Path("alignments"), help="folder of kept alignments")
    parser.add_argument("--only", nargs="+", metavar="RUN", help="these runs alone")
    parser.add_argument("--longer", type=float, default=1.0, help="so many times the steps")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of all runs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of what comes out")
    parser.add_argument("--list", action="store_true", help="show the runs and do nothing")
    return parser


def settled(runs: Sequence[Run], chosen: argparse.Namespace) -> list[Run]:
    """The runs with what the command line changes. Raises PianistError for a run that there is not."""
    settings = dict(pair.split("=", 1) for pair in chosen.set)
    missing = set(chosen.only or ()) - {run.name for run in runs}
    if missing:
        there = ", ".join(run.name for run in runs)
        raise PianistError(f"no run is called {', '.join(sorted(missing))}; there are {there}")
    whole = lambda steps, every: max(round(steps * chosen.longer / every), 1) * every  # noqa: E731
    return [
        dataclasses.replace(
            run,
            config=override(
                dataclasses.replace(
                    run.config,
                    steps=whole(run.config.steps, run.config.log_every),
                    sample_every=whole(run.config.sample_every, run.config.log_every) if run.config.sample_every else 0,
                ),
                settings,
            ),
        )
        for run in runs
        if not chosen.only or run.name in chosen.only
    ]


def perform(path: Path, runs: Sequence[Run], chosen: argparse.Namespace) -> None:
    """Train and judge what is to be done, and keep in the file `path` what comes out. Raises PianistError."""
    material, judge = Material(chosen.data), Judge(chosen.asap, chosen.cache) if chosen.asap else None
    for run in runs:
        params = trained(run, material, chosen.workdir)
        known = read_results(path).get(run.name, {})
        found = known or (result(run, params, material, chosen.workdir) if run.judged else {})
        if judge and run.judged and run.config.task == "finetune" and "played" not in found:
            found = {**found, "played": judge.played(run.config.model, params)}
        if found != known:
            add_results(path, {run.name: found})


def main(
    study: str,
    runs: Sequence[Run],
    about: str | None,
    tell: Callable[[dict[str, Result], Path], None],
    perform: Callable[[Path, Sequence[Run], argparse.Namespace], None] = perform,
) -> int:
    """Do what is to be done of a study, and `tell` what came out, with a picture. Returns the exit code."""
    chosen = options(about).parse_args()
    path = chosen.results / f"{study}.json"
    try:
        todo = settled(runs, chosen)
        if chosen.list:
            for run in todo:
                print(f"{run.name}: {run.config.task}, {run.config.steps} steps, begins with {run.source or 'nothing'}")
            return 0
        perform(path, todo, chosen)
    except PianistError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    found = read_results(path)
    tell({run.name: found[run.name] for run in runs if run.name in found}, path.with_suffix(".png"))
    return 0
