"""Options that several commands have, and what they ask for."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pianist_jax.errors import PianistError, require
from pianist_jax.terminal import now_and_then, say

if TYPE_CHECKING:
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
Keep = Annotated[
    list[str] | None,
    typer.Option("--keep", metavar="WHAT", help="velocity, timing, articulation or pedal: the score's own stays."),
]
Strength = Annotated[
    list[str] | None,
    typer.Option(
        "--strength",
        metavar="WHAT=TIMES",
        help="timing=0.8 dynamics=1.2 articulation=1 pedal=1: less or more of it; timing=1.5@17-24: in these bars.",
    ),
]
Tempo = Annotated[
    str | None,
    typer.Option(
        metavar="score|free|N",
        help="score: as written (where nothing is, as the model guesses); free: its guess; 72: beats a minute.",
    ),
]
Duration = Annotated[
    str | None, typer.Option(metavar="M:SS", help="How long it lasts, from the first onset to the last release.")
]
TempoScale = Annotated[float, typer.Option("--tempo-scale", metavar="TIMES", help="1.1: a tenth faster.")]
PedalThreshold = Annotated[
    int, typer.Option("--pedal-threshold", metavar="0-127", help="Pedal that is less deep is up.")
]
BinaryPedal = Annotated[bool, typer.Option("--binary-pedal", help="Pedal is up or fully down, as much of the time.")]
TempoEvents = Annotated[
    str | None,
    typer.Option(
        "--tempo-events",
        metavar="onset|beat|bar",
        help="Where NAME.daw.mid changes tempo: at every onset, on beats, or on bar lines, its notes as written (for "
        "notation programs).",
    ),
]
Ppq = Annotated[
    int | None, typer.Option("--ppq", metavar="480|960|1920|3840", help="Ticks a quarter of NAME.daw.mid (960).")
]
HalveValues = Annotated[
    bool | None,
    typer.Option(
        "--halve-values/--full-values",
        help="NAME.daw.mid in half the note values: for music beyond 300 quarters a minute.",
    ),
]
Plot = Annotated[bool, typer.Option("--plot", help="Also draw it (NAME.png).")]
PlotBars = Annotated[str | None, typer.Option("--plot-bars", metavar="5-12", help="Draw these bars only.")]
Overlay = Annotated[
    list[str] | None,
    typer.Option("--overlay", metavar="MIDI", help="Draw this performance of the same score over it, too."),
]
Audio = Annotated[bool, typer.Option("--audio", help="Also let it sound (NAME.wav).")]
AudioForm = Annotated[
    str | None,
    typer.Option(
        "--audio-format", metavar="wav|flac|mp3", help="Sound of this kind; flac,44100,24: rate and bits too."
    ),
]
Page = Annotated[bool, typer.Option("--html", help="Also a page to send: sound and notes in one file (NAME.html).")]
Part = Annotated[
    str | None, typer.Option("--part", metavar="NAME|N", help="Of several parts this one; else those of a keyboard.")
]
Repeats = Annotated[bool, typer.Option("--repeats/--no-repeats", help="Play what the score repeats again, or once.")]
Ornaments = Annotated[
    list[str] | None,
    typer.Option(
        "--ornaments",
        metavar="KEY=VALUE",
        help="trills=main|upper|composer (what they begin on), arpeggios=first|last (the note on the beat), pace=80 "
        "(ms a note of a trill), or none: only what is written.",
    ),
]
Balance = Annotated[
    list[str] | None,
    typer.Option(metavar="HAND=DB", help="left=-3: the left hand softer, right=2: the right one louder."),
]
Swing = Annotated[
    float | None, typer.Option(metavar="50-80", help="How many percent of a beat its first half takes; 67: a triplet.")
]
LeadIn = Annotated[float | None, typer.Option("--lead-in", metavar="SECONDS", help="Silence before the first note.")]
Hit = Annotated[
    list[str] | None,
    typer.Option(metavar="BAR=M:SS", help="24=1:03.5: bar 24 comes then; 24.5 is its middle. The tempo is bent to it."),
]
Bars = Annotated[
    str | None,
    typer.Option(
        metavar="17-32", help="Perform these bars of a rendering in DIR anew, and nothing else; 5-8,17-20: several."
    ),
]
Hand = Annotated[
    str | None,
    typer.Option(metavar="right|left", help="Perform this hand of a rendering in DIR anew, in all bars or in --bars."),
]
Recording = Annotated[
    str | None,
    typer.Option(
        "--performance",
        metavar="MIDI",
        help="Start from this recording of the score: its notes stay, only what it lacks is performed.",
    ),
]
Log = Annotated[str | None, typer.Option(metavar="FILE", help="Append here what went wrong with a score, in full.")]
Shard = Annotated[
    str | None, typer.Option(metavar="2/8", help="Of all scores every eighth, from the second on: a job's share.")
]
Takes = Annotated[
    bool, typer.Option("--takes", help="Keep earlier takes of many scores too; those of a single one are always kept.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace what is in the way: what was changed, or is another's.")]


def expression_of(
    keep: list[str] | None,
    strength: list[str] | None,
    tempo_scale: float,
    pedal_threshold: int,
    binary_pedal: bool,
    balance: list[str] | None = None,
    swing: float | None = None,
    lead_in: float | None = None,
    hit: list[str] | None = None,
) -> "Expression":
    """What these options want. Raises PianistError."""
    from pianist_jax.performance.expression import Expression, parse_strengths
    from pianist_jax.performance.shaping import parse_shape

    given = [part for text in strength or [] for part in text.replace(",", " ").split()]
    strengths = parse_strengths([part for part in given if "@" not in part])
    ranges = [part for part in given if "@" in part]
    return Expression(
        **strengths,
        keep=tuple(part for name in keep or [] for part in name.replace(",", " ").split()),
        tempo_scale=tempo_scale,
        pedal_threshold=pedal_threshold,
        binary_pedal=binary_pedal,
        shape=parse_shape(balance or (), ranges, swing, lead_in, hit or ()),
    )


def passage_of(bars: str | None, hand: str | None, tempo: str | None, duration: str | None) -> "Passage | None":
    """What alone is to be performed anew, None where nothing is said of that. Raises PianistError."""
    from pianist_jax.performance.passage import Passage
    from pianist_jax.score.bars import parse_ranges

    if bars is None and hand is None:
        return None
    if tempo is not None or duration is not None:
        what = "--hand keeps its" if bars is None else "--bars keep their"
        raise PianistError(f"{what} place in time, so that nothing else moves; leave the tempo out")
    return Passage(() if bars is None else parse_ranges(bars), hand)


def reading_of(part: str | None, repeats: bool, ornaments: list[str] | None) -> "Reading":
    """How scores are to be read. Raises PianistError."""
    from pianist_jax.score.reading import Reading, parse_style

    return Reading(part, repeats, parse_style(ornaments or []))


def log_of(path: str | None) -> Path | None:
    """Where to keep errors in full, if anywhere. Raises PianistError where nothing can be written there."""
    if path is None:
        return None
    try:
        Path(path).open("a").close()
    except OSError as error:
        raise PianistError(f"{path}: no log can be written there ({error.strerror}); choose another place") from error
    return Path(path)


def pace_of(tempo: str | None, duration: str | None) -> "Pace":
    """The pace that these options want. Raises PianistError."""
    from pianist_jax.performance.pace import parse_pace

    return parse_pace(tempo, duration)


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


def extras_of(
    tempo_events: str | None,
    plot: bool,
    plot_bars: str | None,
    overlay: list[str] | None,
    audio: bool,
    ppq: int | None = None,
    halved: bool | None = None,
    audio_form: str | None = None,
    page: bool = False,
) -> "Extras":
    """The files that these options want beside the performance; bars or an overlay mean a plot. Raises PianistError."""
    from pianist_jax.audio import own_piano, parse_format
    from pianist_jax.rendering.extras import Extras
    from pianist_jax.score.bars import parse_bars

    bars = parse_bars(plot_bars) if plot_bars is not None else None
    overlays = tuple(overlay or ())
    form = parse_format(audio_form or "wav") if audio or audio_form is not None else None
    drawn, due = plot or bool(bars or overlays), now_and_then()
    if drawn:
        require("plot")
    if (form or page) and own_piano().remark:
        say(own_piano().remark)

    def on_sound(file: str, done: float, whole: float) -> None:
        if due():
            say(f"{file}: {done:.0f} of {whole:.0f} s of sound")

    return Extras(tempo_events or "onset", drawn, form, bars, overlays, ppq, halved, page, on_sound)


def strengths_among(paths: list[str], strength: list[str] | None) -> tuple[list[str], list[str] | None]:
    """The paths and the strengths, where words like `dynamics=1.2` follow the one that --strength takes."""
    if not strength:
        return paths, strength
    from pianist_jax.performance.expression import is_strength

    more = [path for path in paths if is_strength(path)]
    return [path for path in paths if path not in more], [*strength, *more]


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


def tell_first_time(programs: Path | None) -> None:
    """Say that programs will be compiled, where the folder in which they are kept has none yet."""
    if programs is not None and programs.is_dir() and not any(programs.iterdir()):
        say(f"the first time here programs are compiled, up to a minute; they are kept in {programs}")
