"""`pianist align` and `pairs`: performances laid on their scores, one or a whole corpus."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pianist_jax.terminal import now_and_then, say

commands = typer.Typer(rich_markup_mode=None)


@commands.command()
def align(
    score: Annotated[Path, typer.Argument(help="A score: MusicXML, MEI, kern or MIDI.")],
    performance: Annotated[Path, typer.Argument(help="A MIDI file of somebody playing it.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="The table; or PERFORMANCE.alignment.tsv.")
    ] = None,
) -> None:
    """Find which performed note plays which score note, and write it as a table.

    Tab-separated: a line for every score note with the onset, duration and velocity at which it was played (match) or
    without (deletion), then the performed notes that are in no score (insertion). Of the score's repeats those
    are taken that were played.
    """
    from pianist_jax.data.pairs import LEAST_MATCHED
    from pianist_jax.files import printable, replace_file
    from pianist_jax.music.midi import read_midi
    from pianist_jax.performance.alignment_table import align_file, to_table

    aligned, form = align_file(score, read_midi(performance))
    path = output or Path(f"{performance.stem}.alignment.tsv")
    replace_file(path, to_table(aligned))
    missing = int((aligned.played < 0).sum())
    say(
        f"{printable(path)}: {aligned.matched:.1%} of {len(aligned.played)} score notes matched; "
        f"{missing} not played, {len(aligned.insertions)} played besides"
    )
    if form:
        say(f"  the form that was played: {form}")
    if aligned.matched < LEAST_MATCHED:
        say(f"  less than {LEAST_MATCHED:.0%}: another piece or edition, other repeats, or trills the score writes out")


@commands.command()
def pairs(
    corpus: Annotated[Path, typer.Argument(help="The ASAP folder, with metadata.csv; or POP909's, with --scores.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of pair records.")] = Path(
        "pairs"
    ),
    scores: Annotated[Path | None, typer.Option(metavar="DIR", help="The quantised scores of POP909.")] = None,
    validation: Annotated[float, typer.Option(help="Share of POP909's songs to validate on.")] = 0.0,
    alignments: Annotated[
        Path | None, typer.Option(metavar="NPZ", help="Alignments made before; each is checked.")
    ] = None,
    least_matched: Annotated[float, typer.Option(help="Leave out performances that match less of their score.")] = 0.9,
    workers: Annotated[int | None, typer.Option(help="Processes; as many as there are cores.")] = None,
) -> None:
    """Align performances to their scores, note by note; goes on where it was stopped."""
    from pianist_jax.data.pairs import Outcome, make_pairs
    from pianist_jax.data.pop909 import make_pop_pairs

    seen: list[Outcome] = []
    due = now_and_then()

    def report(outcome: Outcome) -> None:
        seen.append(outcome)
        if due():
            say(f"{len(seen)} performances, {sum(bool(one.left_out) for one in seen)} of them left out")

    if scores is not None:
        outcomes = make_pop_pairs(corpus, scores, output, validation=validation, report=report)
    else:
        outcomes = make_pairs(
            corpus,
            output,
            alignments=alignments,
            least_matched=least_matched,
            workers=workers or os.cpu_count() or 1,
            report=report,
        )
    used = [outcome for outcome in outcomes if not outcome.left_out]
    notes = sum(outcome.notes for outcome in used)
    say(f"{output}: {len(used)} of {len(outcomes)} performances, {notes} notes (see manifest.csv)")
