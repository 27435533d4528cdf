"""Options that several commands have, and what they ask for."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pianist_jax.config import Sampling
from pianist_jax.errors import PianistError, require
from pianist_jax.terminal import now_and_then, say

if TYPE_CHECKING:
    from pianist_jax.inference.engine import Model
    from pianist_jax.performance.expression import Expression
    from pianist_jax.performance.pace import Pace
    from pianist_jax.performance.passage import Passage
    from pianist_jax.rendering.extras import Extras
    from pianist_jax.rendering.result import Rendering
    from pianist_jax.score.reading import Reading

Draws = Annotated[int, typer.Option(help="Play what so many drawn performances and the model agree on; 1 is quickest.")]
ResidualScale = Annotated[
    float, typer.Option(help="How much of a draw's own difference from what is agreed on is left; 1: as it is drawn.")
]
Log = Annotated[str | None, typer.Option(metavar="FILE", help="Append here what went wrong with a score, in full.")]
Runner = Annotated[str, typer.Option(help="On Beam: Direct, Dataflow, Flink, Spark.")]
RunnerOption = Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="What that needs.")]
Takes = Annotated[
    bool, typer.Option("--takes", help="Keep earlier takes of many scores too; those of a single one are always kept.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace what is in the way: what was changed, or is another's.")]


@dataclasses.dataclass(frozen=True)
class Read:
    """How scores are to be read."""

    part: Annotated[
        str | None,
        typer.Option("--part", metavar="NAME|N", help="Of several parts this one; else those of a keyboard."),
    ] = None
    accompany: Annotated[
        bool, typer.Option("--accompany", help="Let the other parts play with the pianist, as an ensemble.")
    ] = False
    repeats: Annotated[
        bool, typer.Option("--repeats/--no-repeats", help="Play what the score repeats again, or once.")
    ] = True
    ornaments: Annotated[
        list[str] | None,
        typer.Option(
            "--ornaments",
            metavar="KEY=VALUE",
            help="trills=main|upper|composer (what they begin on), arpeggios=first|last (the note on the beat), "
            "pace=80 (ms a note of a trill), or none: only what is written.",
        ),
    ] = None

    def reading(self) -> "Reading":
        """How that is. Raises PianistError."""
        from pianist_jax.score.reading import Reading, parse_ornaments

        return Reading(self.part, self.repeats, parse_ornaments(self.ornaments or []), self.accompany)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """How performances are drawn from a model."""

    temperature: Annotated[float, typer.Option(help="0: always the likeliest; 1: as the model has it.")] = (
        Sampling.temperature
    )
    top_p: Annotated[float, typer.Option(help="Keep the likeliest values that hold this share.")] = Sampling.top_p
    top_k: Annotated[int, typer.Option(help="Keep so many of the likeliest values; 0: all.")] = Sampling.top_k
    draws: Draws = Sampling.draws
    residual_scale: ResidualScale = Sampling.residual_scale

    def sampling(self) -> Sampling:
        """How that is."""
        return Sampling(self.temperature, self.top_p, self.top_k, draws=self.draws, residual_scale=self.residual_scale)


@dataclasses.dataclass(frozen=True)
class Anew:
    """What alone is performed, among what is there already."""

    bars: Annotated[
        str | None,
        typer.Option(
            metavar="17-32", help="Perform these bars of a rendering in DIR anew, and nothing else; 5-8,17-20: several."
        ),
    ] = None
    hand: Annotated[
        str | None,
        typer.Option(
            metavar="right|left", help="Perform this hand of a rendering in DIR anew, in all bars or in --bars."
        ),
    ] = None
    performance: Annotated[
        str | None,
        typer.Option(
            "--performance",
            metavar="MIDI",
            help="Start from this recording of the score: its notes stay, only what it lacks is performed.",
        ),
    ] = None

    def passage(self, shaped: "Shaped") -> "Passage | None":
        """The bars or the hand of a rendering that is; None where nothing is said of that. Raises PianistError."""
        from pianist_jax.performance.passage import Passage
        from pianist_jax.score.bars import parse_ranges

        if self.bars is None and self.hand is None:
            return None
        if shaped.tempo is not None or shaped.duration is not None:
            what = "--hand keeps its" if self.bars is None else "--bars keep their"
            raise PianistError(f"{what} place in time, so that nothing else moves; leave the tempo out")
        return Passage(() if self.bars is None else parse_ranges(self.bars), self.hand)


@dataclasses.dataclass(frozen=True)
class Spread:
    """How scores are spread over processes and machines."""

    shard: Annotated[
        str | None, typer.Option(metavar="2/8", help="Of all scores every eighth, from the second on: a job's share.")
    ] = None
    runner: Runner = ""
    runner_option: RunnerOption = None


@dataclasses.dataclass(frozen=True)
class Shaped:
    """What is wanted of a performance."""

    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", metavar="WHAT", help="velocity, timing, articulation or pedal: the score's own stays."),
    ] = None
    strength: Annotated[
        list[str] | None,
        typer.Option(
            "--strength",
            metavar="WHAT=TIMES",
            help="timing=0.8 dynamics=1.2 articulation=1 pedal=1: less or more of it; timing=1.5@17-24: in these bars.",
        ),
    ] = None
    style: Annotated[
        list[str] | None,
        typer.Option(
            "--style",
            metavar="WORD=X",
            help="rubato=+1 dynamics=-0.5 level articulation pedal depth spread lead: by so many deviations between "
            "pianists (-3 to 3) from what it is by default.",
        ),
    ] = None
    style_of: Annotated[
        str | None,
        typer.Option(
            "--style-of",
            metavar="MIDI",
            help="In the style of this recording of the piece; with --tempo free also at its tempo.",
        ),
    ] = None
    variety: Annotated[
        float, typer.Option(metavar="0-3", help="Let samples differ in style besides; 1: as much as pianists do.")
    ] = 0.0
    tempo: Annotated[
        str | None,
        typer.Option(
            metavar="score|free|N",
            help="score: as written (where nothing is, as the model guesses); free: its guess; 72: beats a minute.",
        ),
    ] = None
    duration: Annotated[
        str | None, typer.Option(metavar="M:SS", help="How long it lasts, from the first onset to the last release.")
    ] = None
    tempo_scale: Annotated[float, typer.Option("--tempo-scale", metavar="TIMES", help="1.1: a tenth faster.")] = 1.0
    pedal_threshold: Annotated[
        int, typer.Option("--pedal-threshold", metavar="0-127", help="Pedal that is less deep is up.")
    ] = 0
    binary_pedal: Annotated[
        bool, typer.Option("--binary-pedal", help="Pedal is up or fully down, as much of the time.")
    ] = False
    balance: Annotated[
        list[str] | None,
        typer.Option(metavar="HAND=DB", help="left=-3: the left hand softer, right=2: the right one louder."),
    ] = None
    swing: Annotated[
        float | None,
        typer.Option(metavar="50-80", help="How many percent of a beat its first half takes; 67: a triplet."),
    ] = None
    lead_in: Annotated[
        float | None, typer.Option("--lead-in", metavar="SECONDS", help="Silence before the first note.")
    ] = None
    hit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BAR=M:SS", help="24=1:03.5: bar 24 comes then; 24.5 is its middle. The tempo is bent to it."
        ),
    ] = None

    def with_words_among(self, paths: list[str]) -> "tuple[list[str], Shaped]":
        """The paths and what is wanted, where words like `dynamics=1.2` or `24=1:03` follow the one an option takes."""
        if not (self.strength or self.style or self.balance or self.hit):
            return paths, self
        from pianist_jax.performance.expression import is_strength
        from pianist_jax.performance.shaping import HIT, LEVEL
        from pianist_jax.performance.style import is_style

        found: dict[str, Any] = {}
        kinds: dict[str, Callable[[str], object]] = {
            "strength": is_strength,
            "style": is_style,
            "hit": HIT.fullmatch,
            "balance": LEVEL.fullmatch,
        }
        for path in paths if self.strength and self.style else []:
            if is_strength(path) and is_style(path):
                raise PianistError(f"{path!r} may be of --strength or of --style; write which before it")
        for name, is_one in kinds.items():
            if given := getattr(self, name):
                more = [path for path in paths if is_one(path)]
                paths = [path for path in paths if path not in more]
                found[name] = [*given, *more]
        return paths, dataclasses.replace(self, **found)

    def expression(self) -> "Expression":
        """What that is, but for the pace and the style of a recording. Raises PianistError."""
        if self.style_of is not None and (self.style or self.variety):
            raise PianistError("--style-of takes the whole style from a recording; leave --style and --variety out")
        from pianist_jax.performance.expression import Expression, parse_strengths
        from pianist_jax.performance.shaping import parse_shape
        from pianist_jax.performance.style import parse_style

        given = [part for text in self.strength or [] for part in text.replace(",", " ").split()]
        strengths: dict[str, Any] = {**parse_strengths([part for part in given if "@" not in part])}
        ranges = [part for part in given if "@" in part]
        return Expression(
            **strengths,
            keep=tuple(part for name in self.keep or [] for part in name.replace(",", " ").split()),
            tempo_scale=self.tempo_scale,
            pedal_threshold=self.pedal_threshold,
            binary_pedal=self.binary_pedal,
            shape=parse_shape(self.balance or (), ranges, self.swing, self.lead_in, self.hit or ()),
            style=parse_style(self.style or (), self.variety),
        )

    def pace(self) -> "Pace":
        """How fast. Raises PianistError."""
        from pianist_jax.performance.pace import parse_pace

        return parse_pace(self.tempo, self.duration)


@dataclasses.dataclass(frozen=True)
class Files:
    """Which files are wanted beside the performance, and how."""

    tempo_events: Annotated[
        str | None,
        typer.Option(
            "--tempo-events",
            metavar="onset|beat|bar",
            help="Where NAME.daw.mid changes tempo: at every onset, on beats, or on bar lines, its notes as written "
            "(for notation programs).",
        ),
    ] = None
    ppq: Annotated[
        int | None, typer.Option("--ppq", metavar="480|960|1920|3840", help="Ticks a quarter of NAME.daw.mid (960).")
    ] = None
    halve_values: Annotated[
        bool | None,
        typer.Option(
            "--halve-values/--full-values",
            help="NAME.daw.mid in half the note values: for music beyond 300 quarters a minute.",
        ),
    ] = None
    plot: Annotated[bool, typer.Option("--plot", help="Also draw it (NAME.png).")] = False
    plot_bars: Annotated[str | None, typer.Option("--plot-bars", metavar="5-12", help="Draw these bars only.")] = None
    overlay: Annotated[
        list[str] | None,
        typer.Option("--overlay", metavar="MIDI", help="Draw this performance of the same score over it, too."),
    ] = None
    audio: Annotated[bool, typer.Option("--audio", help="Also let it sound (NAME.wav).")] = False
    audio_format: Annotated[
        str | None,
        typer.Option(
            "--audio-format", metavar="wav|flac|mp3", help="Sound of this kind; flac,44100,24: rate and bits too."
        ),
    ] = None
    html: Annotated[
        bool, typer.Option("--html", help="Also a page to send: sound and notes in one file (NAME.html).")
    ] = False

    def extras(self) -> "Extras":
        """What they are; bars or an overlay mean a plot. Raises PianistError."""
        from pianist_jax.audio import own_piano, parse_format
        from pianist_jax.rendering.extras import Extras
        from pianist_jax.score.bars import parse_bars

        bars = parse_bars(self.plot_bars) if self.plot_bars is not None else None
        overlays = tuple(self.overlay or ())
        sounds = self.audio or self.audio_format is not None
        form = parse_format(self.audio_format or "wav") if sounds else None
        drawn, due = self.plot or bool(bars or overlays), now_and_then()
        if drawn:
            require("plot")
        if (form or self.html) and own_piano().remark:
            say(own_piano().remark)

        def on_sound(file: str, done: float, whole: float) -> None:
            if due():
                say(f"{file}: {done:.0f} of {whole:.0f} s of sound")

        mode = self.tempo_events or "onset"
        return Extras(mode, drawn, form, bars, overlays, self.ppq, self.halve_values, self.html, on_sound)


def log_of(path: str | None) -> Path | None:
    """Where to keep errors in full, if anywhere. Raises PianistError where nothing can be written there."""
    if path is None:
        return None
    try:
        Path(path).open("a").close()
    except OSError as error:
        raise PianistError(f"{path}: no log can be written there ({error.strerror}); choose another place") from error
    return Path(path)


def tell_tempo(rendering: "Rendering", pace: "Pace", tell: Callable[[str], None] = say) -> None:
    """Say which tempo was guessed, where the score tells none, and how to set it."""
    from pianist_jax.performance.pace import SCORE, has_tempo

    if pace.tempo != SCORE or pace.duration is not None or has_tempo(rendering.grid):
        return
    guessed = rendering.report["tempo"]["guess"] is not None
    how = "as the model guesses" if guessed else "as programs mean where nothing is said"
    tell(f"  the score tells no tempo; played at {rendering.tempo_in_words()}, {how} (--tempo N sets it)")


def tell_remarks(rendering: "Rendering", tell: Callable[[str], None] = say) -> None:
    """Say what of the score was read as what, is odd, or is not played."""
    for remark in rendering.grid.remarks if rendering.grid is not None else ():
        tell(f"  {remark}")


def tell_others(
    rendering: "Rendering", extras: "Extras", *, accompany: bool = False, tell: Callable[[str], None] = say
) -> None:
    """Say where parts beside the pianist's are not heard, or that there are none though they are to `accompany`."""
    if accompany and not rendering.others:
        tell("  nothing to accompany: the pianist plays every part")
    from pianist_jax.music.part import PIANOS

    plain = [other.name for other in rendering.others if other.program not in PIANOS]
    if plain and (extras.audio or extras.page):
        tell(f"  heard from a plain synthesiser: {', '.join(plain)}")


def take_in_words(number: int) -> str:
    """What a line on a rendering says of which take it is; nothing of the first."""
    return f" (take {number}; `pianist undo` goes back)" if number > 1 else ""


def tell_error(
    rendering: "Rendering", error: float | None, beyond: tuple[str, ...] = (), tell: Callable[[str], None] = say
) -> None:
    """Say by how many ms the editable file misses the performance, what limits cost it, or that there is none."""
    for line in beyond:
        tell(f"  editable file, {line}")
    if error is not None:
        tell(f"  on the score's beats it sounds the same within {error:.2f} ms")
    elif rendering.grid is not None and not beyond:
        tell('  no file on the score\'s beats could be made: NAME.json tells why ("left_out")')


def ready_model(name: str) -> "Model":
    """The model of that name; said is that programs will be compiled, where the folder that keeps them has none yet."""
    from pianist_jax.inference.compilation import programs_folder
    from pianist_jax.inference.engine import load_model

    programs = programs_folder()
    if programs is not None and programs.is_dir() and not any(programs.iterdir()):
        say(f"the first time here programs are compiled, up to a minute; they are kept in {programs}")
    return load_model(name)
