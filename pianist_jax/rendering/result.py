"""What rendering gives: a score and its performances, which can be written to files and changed. No JAX."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.inference.windows import Windowing, window_boundaries
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.music.part import CHANNELS
from pianist_jax.performance.ensemble import in_time, with_room
from pianist_jax.performance.expression import NEUTRAL, Expression
from pianist_jax.performance.pace import FREE, Pace, at_pace, factor_of, first_mark, note_value, to_pace
from pianist_jax.performance.players import play_together
from pianist_jax.performance.shaping import express_all
from pianist_jax.rendering.hashes import sample_key
from pianist_jax.score.together import Ensemble

if TYPE_CHECKING:
    from pianist_jax.rendering.likeness import Likeness
    from pianist_jax.score.ensemble import OtherPart
    from pianist_jax.score.grid import ScoreGrid


@dataclasses.dataclass(frozen=True, eq=False)
class Rendering:
    """A score and its performances, which correspond to it note by note.

    `raw` are the M notes as they were read, `score` the N normalised ones, `note_of_raw` int64 [M] tells which of these
    each raw note became or was merged into. Note n of every performance plays note n of `score`. `identity` says what
    the performances follow from (score, model, seed, settings, edits), `report` adds what was measured. `grid` says
    where the score's bars and beats are, if it came from a file. `others` are the parts that sound beside the
    pianist's, as written.
    """

    raw: Notes
    score: Notes
    note_of_raw: np.ndarray
    performances: tuple[Notes, ...]
    name: str
    identity: dict[str, Any]
    report: dict[str, Any]
    grid: "ScoreGrid | None" = None
    others: tuple["OtherPart", ...] = ()

    @property
    def factor(self) -> float:
        """How many times slower than written the performances are meant to be."""
        return float(self.report.get("tempo", {}).get("factor", 1.0))

    @property
    def conducted(self) -> bool:
        """Whether the parts play without a pianist: what is performed is what a conductor reads, and does not sound."""
        return bool(self.identity["settings"].get("conducted"))

    @property
    def ensemble(self) -> Ensemble:
        """How the other parts play; without curves where parts have to share channels."""
        how = Ensemble.of(self.identity["settings"].get("ensemble"))
        own = len(self.grid.part_names) if self.grid is not None and not self.conducted else 0
        shared = own + len(self.others) > len(CHANNELS)
        return dataclasses.replace(how, controller=0) if shared else how

    def others_with(self, notes: Notes, sample: int = 0) -> tuple["OtherPart", ...]:
        """The other parts in the time of a performance, the `sample`-th of these: as an ensemble, or as written."""
        if not self.others:
            return ()
        how, told = self.ensemble, (normalise(self.raw)[0], notes, self.others)
        if not how.shaped:
            return in_time(*told, self.factor)
        seed, content = self.identity["seed"], self.identity["score"]["content"]
        keys = [sample_key(seed, f"{content} player {n}", sample) for n in range(len(self.others))]
        return play_together(*told, self.factor, how, [np.random.default_rng(key) for key in keys], sample)

    def with_room(self, expression: Expression = NEUTRAL) -> "Rendering":
        """The same, each performance so much later that parts which begin before the pianist have the time to.

        Not where the `expression` hits times: they stay.
        """
        if not self.others or expression.shape.hits:
            return self
        written = normalise(self.raw)[0]
        performances = (with_room(written, notes, self.others, self.factor) for notes in self.performances)
        return dataclasses.replace(self, performances=tuple(performances))

    @property
    def title(self) -> str:
        """What the piece is called: as the score says, else as its file is."""
        return (self.grid.title if self.grid is not None else "") or self.name

    @property
    def notes(self) -> Notes:
        """The first performance."""
        return self.performances[0]

    @property
    def window_boundaries(self) -> np.ndarray:
        """int64: numbers of the score notes at which one window of the decoder takes over from another."""
        return window_boundaries(len(self.score), Windowing(**self.identity["settings"]["windows"]))

    def edited(self, expression: Expression, like: "Likeness | None" = None) -> "Rendering":
        """The same performances with another expression (`express`), on top of what they have already.

        `like` is the recording that the expression's style was taken from.
        """
        seed, content = self.identity["seed"], self.identity["score"]["content"]
        performances = tuple(
            express_all(self.score, self.grid, notes, for_sample(expression, seed, content, k))
            for k, notes in enumerate(self.performances)
        )
        source = {} if like is None else {"style_of": like.metadata()}
        changed = self.replaced(performances, {"expression": expression.metadata(), **source})
        if expression.tempo_scale != 1:
            factor = self.factor / expression.tempo_scale
            report = {**changed.report, "tempo": {**self.report.get("tempo", {}), "factor": factor}}
            changed = dataclasses.replace(changed, score=at_pace(normalise(self.raw)[0], factor), report=report)
        return changed.with_room(expression)

    def like(self, recording: str | os.PathLike[str], expression: Expression = NEUTRAL) -> "Rendering":
        """The same performances in the style of a recording of the piece (MIDI), else as `expression` wants them.

        Where that recording was the last to be taken after, its style stays as it was found. Raises PianistError for a
        file that cannot be read, plays less than half of the score's notes, or plays them in strict time.
        """
        from pianist_jax.rendering.likeness import read_likeness  # only files need a MIDI library

        return self.in_likeness(read_likeness(Path(recording), self.score, self.factor), expression)

    def in_likeness(self, like: "Likeness", expression: Expression = NEUTRAL) -> "Rendering":
        """As `like`, of a recording that was read already."""
        style, last = like.style(self.score, self.performances), (self.identity["edits"] or [{}])[-1]
        if last.get("style_of") == like.metadata():
            style = Expression.of(last["expression"]).style
        return self.edited(dataclasses.replace(expression, style=style), like)

    def at(self, pace: Pace, scale: float = 1.0) -> "Rendering":
        """The same performances at another pace (`performance.pace`), `scale` times as fast.

        Raises PianistError where it cannot be had: a model's guess that was never made, for example.
        """
        tempo = self.report.get("tempo", {})
        written = normalise(self.raw)[0]
        factor = factor_of(pace, written, self.grid, self.name, scale)
        if factor is None:
            factor = tempo.get("guess")
        if factor is None:
            raise PianistError(f"{self.name}: the model has guessed no tempo for it; render it with --tempo {FREE}")
        score = at_pace(written, factor / scale)
        performances = [to_pace(score, self.grid, notes, pace) for notes in self.performances]
        again = self.replaced(performances, {"pace": pace.metadata(), "scale": scale})
        report = {**again.report, "tempo": {**tempo, "factor": factor / scale}}
        return dataclasses.replace(again, score=score, report=report).with_room()

    def tempo_in_words(self) -> str:
        """The first tempo mark as it is played, as in `♩ = 92`, and how many times slower than written that is."""
        if self.grid is None:
            return f"{self.factor:.2f} times the written time"
        beats, quarters = first_mark(self.grid)
        return f"{note_value(quarters)} = {beats / self.factor:.0f}"

    def replaced(self, performances: Sequence[Notes], edit: dict[str, Any]) -> "Rendering":
        """Other performances of the same score, and what was done to them added to the identity's edits."""
        identity = {**self.identity, "edits": [*self.identity["edits"], edit]}
        return dataclasses.replace(self, performances=tuple(performances), identity=identity, report={**self.report})

    def save(
        self,
        folder: str | os.PathLike[str] = ".",
        *,
        name: str | None = None,
        force: bool = False,
        tempo_events: str = "onset",
        plot: bool = False,
        audio: bool | str = False,
        plot_bars: tuple[int, int] | None = None,
        overlay: Sequence[str | os.PathLike[str]] = (),
        ppq: int = 960,
        halved: bool = False,
        page: bool = False,
    ) -> list[Path]:
        """Write `NAME.performance.mid` (with several samples `NAME-1.performance.mid` …) and `NAME.json` to a folder.

        The folder is made where there is none; NAME is the score's, or `name`, as `pianist render -o FOLDER` has it.
        Of a score that came from a file also `NAME.daw.mid`, the same on the score's beats, with tempo changes at every
        "onset", or on every "beat" or "bar" only, of `ppq` ticks a quarter, in half the note values where `halved`;
        `plot` adds `NAME.png` (of up to four performances), `audio` adds `NAME.wav` (or what a form like
        "flac,44100,24" says), `page` `NAME.html`, in which all can be heard and seen. Parts that sound beside the
        pianist's are in all of them.
        The plot shows all bars or those from first to last of `plot_bars`; `overlay` are MIDI files of performances
        of the same score, as humans play it, to be drawn over it.

        Returns what was written: nothing where the same is there already. Raises PianistError where another output is
        in the way and `force` is not set, or a file cannot be written.
        """
        from pianist_jax.audio import parse_format
        from pianist_jax.rendering.extras import Extras  # only files need a MIDI library
        from pianist_jax.rendering.outputs import save_rendering

        stem = Path(folder) / (self.name if name is None else name)
        form = parse_format("wav" if audio is True else audio) if audio else None
        extras = Extras(tempo_events, plot, form, plot_bars, tuple(map(os.fsdecode, overlay)), ppq, halved, page)
        return list(save_rendering(self, stem, force=force, extras=extras, override="force=True").files)


def for_sample(expression: Expression, seed: int, content: str, sample: int) -> Expression:
    """The expression of one sample, whose style may be its own; it follows from seed, score and sample number."""
    return expression.drawn(sample_key(seed, f"{content} style", sample))
