"""`pianist evaluate`: candidates from any renderer against the humans who played the same scores."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pianist_jax.commands import options
from pianist_jax.config import Sampling
from pianist_jax.errors import PianistError, require
from pianist_jax.terminal import complain, counter, progress, say

if TYPE_CHECKING:
    import numpy as np

    from pianist_jax.evaluation.candidates import Candidates
    from pianist_jax.evaluation.folders import Aligner
    from pianist_jax.evaluation.pieces import PlayedPiece
    from pianist_jax.inference.engine import Model

commands = typer.Typer(rich_markup_mode=None)

Scores = Annotated[Path | None, typer.Option(metavar="DIR", help="Scores, NAME.mid or notation.")]
Humans = Annotated[Path | None, typer.Option(metavar="DIR", help="Human performances, NAME-k.mid.")]
Folders = Annotated[
    list[Path] | None,
    typer.Option("--candidates", metavar="DIR", help="A renderer's NAME[-k][.performance].mid; may be repeated."),
]
Dataset = Annotated[
    tuple[str, Path] | None, typer.Option(metavar="asap DIR", help="Scores and humans of a data set, in place of both.")
]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="PATH|NAME", help="Weights that render candidates now; may be repeated."),
]
Samplings = Annotated[
    list[str] | None,
    typer.Option("--sampling", metavar="T:P[:PEDAL_P]", help="Temperature, top-p, top-p of pedal; may be repeated."),
]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="REPORT", help="REPORT.json and REPORT.html.")]
Cache = Annotated[Path | None, typer.Option(metavar="DIR", help="Where alignments are kept.")]
Tempo = Annotated[
    str,
    typer.Option(
        metavar="score|free|humans",
        help="Of renderings: as written, as models guess; humans: every candidate is told the humans' mean tempo.",
    ),
]
Likelihood = Annotated[int, typer.Option(metavar="N", help="NLL of a model on N humans of each piece; 0: none.")]
Classifier = Annotated[bool, typer.Option(help="Ask a classifier to tell candidates from humans.")]
Listen = Annotated[bool, typer.Option("--listen", help="Also REPORT.listen.html, a blind listening test.")]

Rate = Annotated[bool, typer.Option("--rate", help="Also REPORT.rate.html: the same excerpts, each rated 1 to 5.")]
Answers = Annotated[
    list[Path] | None,
    typer.Option("--answers", metavar="FILE", help="Only sum up what a listener answered on a page; may be repeated."),
]


@commands.command()
def evaluate(
    scores: Scores = None,
    humans: Humans = None,
    folders: Folders = None,
    dataset: Dataset = None,
    split: Annotated[str, typer.Option(help="Which split of the data set.")] = "validation",
    models: Models = None,
    samples: Annotated[int, typer.Option(help="Performances that a model gives of each score.")] = 4,
    seed: Annotated[int, typer.Option(help="Of renderings, controls and intervals.")] = 0,
    samplings: Samplings = None,
    draws: options.Draws = Sampling.draws,
    residual_scale: options.ResidualScale = Sampling.residual_scale,
    tempo: Tempo = "score",
    metrics: Annotated[str, typer.Option(metavar="paper|aligned|all", help="What table and page show.")] = "all",
    output: Output = Path("report"),
    cache: Cache = None,
    workers: Annotated[int, typer.Option(help="Processes that align.")] = 1,
    likelihood: Likelihood = 2,
    classifier: Classifier = True,
    listen: Listen = False,
    rate: Rate = False,
    answers: Answers = None,
) -> None:
    """Tell how well candidates play, beside the humans who played the same scores, and beside controls.

    Candidates come from folders (of any renderer; the output of `pianist render` can be given as it is), from models,
    or both. A table is printed; REPORT.json has every figure, REPORT.html is to look at.
    """
    from pianist_jax.evaluation.evaluate import common_pieces, evaluate
    from pianist_jax.evaluation.folders import Aligner, find_all_candidates
    from pianist_jax.evaluation.table import check

    if answers:
        _sum_up(answers, seed)
        return
    for extra in ("eval", "plot"):
        require(extra)
    check(metrics, tempo)
    if not folders and not models:
        raise PianistError("nothing to evaluate; give --candidates DIR or --model NAME, or both")
    settings = _settings(samplings or [f"{Sampling.temperature:g}:{Sampling.top_p:g}"], draws, residual_scale)
    stem = _stem(output)
    aligner = Aligner(cache or _cache_folder(), workers, counter("aligning", "performances"))
    pieces, pool, about, warnings = _pieces(scores, humans, dataset, split, seed, aligner)
    entries, more = find_all_candidates(folders or [], pieces, aligner)
    pieces, missing = common_pieces(pieces, entries)
    entries = [_at_tempo(one, pieces, tempo) for one in entries]
    rendered, likelihoods, unlikely = _play(models or [], settings, pieces, samples, seed, tempo, likelihood)
    report = evaluate(
        pieces,
        [*entries, *rendered],
        seed=seed,
        pool=pool,
        likelihoods=likelihoods,
        classifier=classifier,
        about={**about, "tempo": tempo},
        warnings=[*warnings, *more, *missing, *unlikely],
    )
    _write(stem, report, pieces, [*entries, *rendered], metrics, seed, (listen, rate))


def _sum_up(answers: Sequence[Path], seed: int) -> None:
    import numpy as np

    from pianist_jax.evaluation.answers import HEADING, summed
    from pianist_jax.evaluation.table import in_columns

    for line in in_columns([list(HEADING), *summed(answers, np.random.default_rng(seed))]).splitlines():
        say(line)


def _at_tempo(entry: "Candidates", pieces: "list[PlayedPiece]", tempo: str) -> "Candidates":
    """Performances that are there already, brought to the humans' tempo where that is told."""
    from pianist_jax.evaluation.candidates import HUMANS, at_tempo_of_humans

    if tempo != HUMANS:
        return entry
    paced = {piece.name: at_tempo_of_humans(piece, entry.performances[piece.name]) for piece in pieces}
    return dataclasses.replace(entry, performances=paced)


def _settings(texts: Sequence[str], draws: int, residual_scale: float) -> dict[str, Sampling]:
    """How to draw, by what was typed. Raises PianistError."""

    found = {}
    for text in texts:
        try:
            temperature, top_p, *rest = (float(part) for part in text.split(":"))
            (pedal_top_p,) = rest or [Sampling.pedal_top_p]
            found[text] = Sampling(temperature, top_p, 0, pedal_top_p, draws, residual_scale)
        except (ValueError, TypeError):
            raise PianistError(f'--sampling takes TEMPERATURE:TOP_P[:PEDAL_TOP_P], not "{text}"') from None
    return found


def _stem(output: Path) -> Path:
    """Where the report goes, without suffix; its folder is made at once, as all that follows takes minutes."""
    from pianist_jax.rendering.outputs import make_folder

    stem = output.with_suffix("") if output.suffix in (".json", ".html") else output
    if stem.is_dir():
        stem = stem / "report"
    make_folder(stem.parent)
    return stem


def _cache_folder() -> Path:
    """Where alignments are kept unless it is said: beside the compiled programs."""
    import platformdirs

    from pianist_jax.inference.compilation import VARIABLE

    return Path(os.environ.get(VARIABLE) or platformdirs.user_cache_dir("pianist_jax", appauthor=False)) / "alignments"


def _pieces(
    scores: Path | None,
    humans: Path | None,
    dataset: tuple[str, Path] | None,
    split: str,
    seed: int,
    aligner: "Aligner",
) -> "tuple[list[PlayedPiece], np.ndarray | None, dict[str, Any], list[str]]":
    """The pieces with their humans, what the blind control draws from, where they are from, warnings."""
    import numpy as np

    from pianist_jax.evaluation.dataset import load_pieces, load_training_tokens
    from pianist_jax.evaluation.folders import find_pieces

    if dataset is None:
        if scores is None or humans is None:
            raise PianistError("give --scores DIR and --humans DIR, or --dataset asap DIR")
        pieces, warnings = find_pieces(scores, humans, aligner)
        return pieces, None, {"scores": scores.name, "humans": humans.name}, warnings
    name, folder = dataset
    if name != "asap":
        raise PianistError(f'no data set is called "{name}"; there is asap')
    if scores is not None or humans is not None:
        raise PianistError("--dataset brings scores and humans; leave --scores and --humans out")
    pieces = load_pieces(folder, aligner, split)
    pool = load_training_tokens(folder, np.random.default_rng(seed))
    return pieces, pool, {"dataset": name, "split": split}, []


def _play(
    names: Sequence[str],
    settings: dict[str, Sampling],
    pieces: "list[PlayedPiece]",
    samples: int,
    seed: int,
    tempo: str,
    humans: int,
) -> "tuple[list[Candidates], dict[str, Any], list[str]]":
    """What models make of the pieces, and how likely they find the humans."""
    import numpy as np

    from pianist_jax.evaluation.candidates import render_candidates
    from pianist_jax.evaluation.likelihood import count_notes, likelihood
    from pianist_jax.inference.engine import load_model
    from pianist_jax.rendering.renderer import needed_draws

    made: list[Candidates] = []
    likelihoods: dict[str, Any] = {}
    warnings: list[str] = []
    scored = sum(len(piece.score) for piece in pieces)
    loaded: list[Model] = [load_model(name) for name in names]
    for model in loaded:
        first = len(made)
        for text, sampling in settings.items():
            name = f"{model.name} {text}" if len(settings) > 1 else model.name
            drawn = needed_draws(samples, sampling) * scored
            with _progress(f"performing {len(pieces)} pieces with {name}", drawn) as advance:
                made.append(
                    render_candidates(
                        name, pieces, model, seed=seed, samples=samples, sampling=sampling, tempo=tempo, advance=advance
                    )
                )
        if humans:
            with _progress(f"likelihood under {model.name}", count_notes(pieces, humans)) as advance:
                figures, more = likelihood(pieces, model, np.random.default_rng(seed), humans=humans, advance=advance)
            likelihoods |= {entry.name: figures for entry in made[first:]}
            warnings += more
    return made, likelihoods, warnings


@contextmanager
def _progress(what: str, notes: int) -> Iterator[Callable[[int], None]]:
    """Says what is done and how far it is."""
    say(f"{what}: {notes} notes")
    with progress(what, lambda: notes) as (advance, _):
        yield advance


def _write(
    stem: Path,
    report: dict[str, Any],
    pieces: "list[PlayedPiece]",
    entries: "list[Candidates]",
    metrics: str,
    seed: int,
    listen: tuple[bool, bool],
) -> None:
    """Print the table, write the files, tell where they are; `listen`: whether to ask for preferences, for ratings."""
    from pianist_jax.evaluation.report import write_report
    from pianist_jax.evaluation.table import explained, short_table, tells

    for line in ("", *short_table(report, metrics).splitlines(), "", *explained(metrics), ""):
        say(line)
    for name, words in tells(report["systems"]).items():
        for line in (f"what gives {name} away (medians; in brackets the AUC of that alone):", *words, ""):
            say(line)
    for warning in report["warnings"]:
        complain(f"warning: {warning}")
    files = write_report(stem, report, pieces, entries, metrics)
    if any(listen):
        from pianist_jax.evaluation.listening import ASKS, write_listening

        asks = [ask for ask, wanted in zip(ASKS, listen, strict=True) if wanted]
        files += [write_listening(stem, pieces, entries, seed, ask=ask) for ask in asks]
    for path in files:
        say(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")
