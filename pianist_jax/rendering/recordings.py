"""A recording of a score as a rendering of it: a take like any other, in which bars or a hand may be performed anew."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from pianist_jax.config import DEFAULT_SAMPLING, Sampling
from pianist_jax.errors import PianistError
from pianist_jax.inference.engine import Model
from pianist_jax.performance.recording import laid_on
from pianist_jax.rendering.extras import check_plot, read_recording
from pianist_jax.rendering.hashes import file_hash
from pianist_jax.rendering.order import Order
from pianist_jax.rendering.outputs import Saved
from pianist_jax.rendering.passages import Advance, fill_in, played_over
from pianist_jax.rendering.renderer import Piece, Score, at_factor, identity_of, read_piece
from pianist_jax.rendering.result import Rendering
from pianist_jax.rendering.takes import keep_edits, keep_take, list_takes, switch_to


def render_recording(score: Score, recording: str | os.PathLike[str], model: Model, *, seed: int = 0) -> Rendering:
    """A recording (a MIDI file of somebody's playing) as a rendering of the score.

    Its notes that play the score's, and its pedal, stay as they were played; the model plays among them what is
    missing; what is in no score is left out. `report["counts"]` says how many were "matched", "filled_in" and
    "left_out". Raises PianistError for a file that cannot be read or plays less than half of the score's notes.
    """
    return perform_recording(read_piece(score), Path(recording), model, seed=seed)


def perform_recording(
    piece: Piece,
    recording: Path,
    model: Model,
    *,
    seed: int = 0,
    sampling: Sampling = DEFAULT_SAMPLING,
    on_start: Advance | None = None,
    advance: Advance | None = None,
) -> Rendering:
    """As `render_recording`, of a piece that is read already.

    `on_start` is told how many notes are to be performed, `advance` of every so many that are.
    """
    played, match = read_recording(recording, piece.score)
    notes, factor = laid_on(piece.score, played, match)
    missing = match < 0
    paced = at_factor(piece, factor)
    if missing.any():
        if on_start is not None:
            on_start(int(np.ptp(played_over(missing))))
        notes = fill_in(paced, notes, missing, model, seed=seed, sampling=sampling, advance=advance)
    counts = {
        "input_notes": len(piece.raw),
        "performed_notes": len(piece.score),
        "merged_notes": len(piece.raw) - len(piece.score),
        "matched": int(np.sum(~missing)),
        "filled_in": int(np.sum(missing)),
        "left_out": len(played) - int(np.sum(~missing)),
    }
    identity = recording_identity(piece, recording, model, seed, sampling)
    report: dict[str, Any] = {"counts": counts, "tempo": {"factor": factor, "guess": None}}
    told = (piece.name, identity, report, piece.grid, piece.others)
    return Rendering(piece.raw, paced.score, piece.note_of_raw, (notes,), *told).with_room()


def recording_identity(piece: Piece, recording: Path, model: Model, seed: int, sampling: Sampling) -> dict[str, Any]:
    """What the rendering of a recording follows from."""
    identity = identity_of(piece, model, seed, 1, sampling)
    told = {"file": recording.name, "sha256": file_hash(recording)}
    return {**identity, "settings": {**identity["settings"], "recording": told}}


def take_recording(
    score: Path,
    stem: Path,
    order: Order,
    recording: Path,
    *,
    on_start: Advance | None = None,
    advance: Advance | None = None,
) -> tuple[Saved, Rendering | None]:
    """Make a take of a recording at `stem` (a path without suffix), with the rendering, or None where it was one.

    Raises PianistError, and nothing is written, for a recording of something else.
    """
    piece = read_piece(score, order.reading)
    if piece.grid is None:
        raise PianistError(f"{piece.name}: notes without bars; give a score file")
    check_plot(piece.grid, order.extras)
    identity = recording_identity(piece, recording, order.model, order.seed, order.sampling)
    for take in list_takes(stem):
        if take.identity == identity and not take.edited:
            return switch_to(stem, take.number, order.extras, force=order.force), None
    told: dict[str, Any] = {"on_start": on_start, "advance": advance}
    rendering = perform_recording(piece, recording, order.model, seed=order.seed, sampling=order.sampling, **told)
    if stem.with_name(f"{stem.name}.json").exists():
        keep_edits(stem)
    return keep_take(rendering, stem, order.extras, force=order.force), rendering


def recording_in_words(counts: dict[str, int]) -> str:
    """How much of a score a recording plays, by the `counts` of its rendering."""
    words = [f"{counts['matched']} of {counts['performed_notes']} notes are as they were played"]
    words += [f"{counts['filled_in']} were missing and are filled in"] * bool(counts["filled_in"])
    words += [f"{counts['left_out']} are in no score and are left out"] * bool(counts["left_out"])
    return "; ".join(words)
