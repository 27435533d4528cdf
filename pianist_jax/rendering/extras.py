"""What is made of a performance beside the raw MIDI file: one to edit, on the score's beats; a picture; sound."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pianist_jax.audio import FORMATS, AudioFormat, own_piano, plainly, write_audio
from pianist_jax.errors import PianistError
from pianist_jax.files import replace_file
from pianist_jax.music.notes import Notes, normalise
from pianist_jax.performance.beyond import beyond
from pianist_jax.performance.ensemble import together
from pianist_jax.performance.fidelity import compare
from pianist_jax.performance.playable import make_playable
from pianist_jax.performance.tempo_events import PICTURES, Limits
from pianist_jax.performance.tempo_map import TEMPO_EVENTS, Mapped, map_tempo, write_mapped
from pianist_jax.player import Track, player_page
from pianist_jax.rendering.hashes import file_hash
from pianist_jax.rendering.others import pictured_with, tracks_with
from pianist_jax.score.bars import require_bars
from pianist_jax.score.ensemble import OtherPart, with_others
from pianist_jax.score.sequencer import for_sequencers

if TYPE_CHECKING:
    from pianist_jax.rendering.result import Rendering
    from pianist_jax.score.grid import ScoreGrid

DAW, PLOT, PAGE = ".daw.mid", ".png", ".html"
SOUNDS = tuple(f".{kind}" for kind in FORMATS)
MOST_DRAWN = 4  # performances in one picture
PPQ = (960, 480, 1920, 3840)  # ticks a quarter of an editable file, first what it has where nothing is said
NOBODY = Notes(*[np.zeros(0, np.int64)] * 6)
LEAST_MATCHED = 0.5  # of the score's notes that a performance laid over it must play


@dataclasses.dataclass(frozen=True)
class Extras:
    """Which files to write beside the performance; `tempo_events` is where the editable one changes tempo.

    The editable file has `ppq` ticks a quarter, and half the score's note values where `halved` is set; None means what
    files before it had, or 960 and no. The plot shows the bars from first to last of `plot_bars` (all, without it), and
    over the performances those of the MIDI files `overlay`, which somebody else played. `audio` is the form of a sound
    file; `page` means one HTML file in which all performances can be heard and seen. `on_sound` is told how far a sound
    file has come: its name, seconds done, all seconds. Raises PianistError for `tempo_events` or `ppq` that there are
    not, and for more overlays than a plot has room for.
    """

    tempo_events: str = "onset"
    plot: bool = False
    audio: AudioFormat | None = None
    plot_bars: tuple[int, int] | None = None
    overlay: tuple[str, ...] = ()
    ppq: int | None = None
    halved: bool | None = None
    page: bool = False
    on_sound: Callable[[str, float, float], None] | None = dataclasses.field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.overlay) >= MOST_DRAWN:
            raise PianistError(f"{len(self.overlay)} performances to lay over a plot; it has room for {MOST_DRAWN - 1}")
        if self.tempo_events not in TEMPO_EVENTS:
            modes = ", ".join(TEMPO_EVENTS[:-1])
            raise PianistError(f"tempo events {self.tempo_events!r} are none; choose {modes} or {TEMPO_EVENTS[-1]}")
        if self.ppq is not None and self.ppq not in PPQ:
            raise PianistError(f"{self.ppq} ticks a quarter are none to choose from; take one of {sorted(PPQ)}")

    def also(self, other: Extras) -> Extras:
        """These and the sounds and the picture of another wish, which if there is one takes the place of this one's.

        What the other wish says of the editable file's ticks and note values counts.
        """
        drawn = other if other.plot else self
        halved = self.halved if other.halved is None else other.halved
        audio, ppq, page = other.audio or self.audio, other.ppq or self.ppq, self.page or other.page
        tell = other.on_sound or self.on_sound
        return Extras(self.tempo_events, drawn.plot, audio, drawn.plot_bars, drawn.overlay, ppq, halved, page, tell)

    @property
    def settings(self) -> dict[str, Any]:
        """What is wanted, as JSON holds it: all but who is told of it."""
        told = dataclasses.asdict(dataclasses.replace(self, on_sound=None))
        return {name: value for name, value in told.items() if name != "on_sound"}

    @property
    def editable(self) -> dict[str, Any]:
        """How an editable file is made, as the JSON file tells it."""
        made = {"tempo_events": self.tempo_events, "ticks_per_quarter": self.ppq or PPQ[0]}
        return {**made, "halved": bool(self.halved)}

    @property
    def asked(self) -> dict[str, Any]:
        """What of `editable` was asked for; files that have it are as wanted."""
        known = {"ticks_per_quarter": self.ppq, "halved": self.halved}
        return {
            "tempo_events": self.tempo_events,
            **{name: value for name, value in known.items() if value is not None},
        }


def extra_paths(names: Sequence[Path], stem: Path, extras: Extras, *, has_bars: bool) -> list[Path]:
    """The files that are wanted: `names` are the performances' paths without suffix.

    Raises PianistError where a plot of notes without bars is wanted.
    """
    if extras.plot and not has_bars:
        raise PianistError(f"{stem.name}: a plot needs a score file, with bars; give one")
    suffixes = [DAW] * has_bars + ([f".{extras.audio.kind}"] if extras.audio else [])
    paths = [name.with_name(name.name + suffix) for name in names for suffix in suffixes]
    together = [PLOT] * extras.plot + [PAGE] * extras.page
    return paths + [stem.with_name(stem.name + suffix) for suffix in together]


def write_extras(
    rendering: Rendering, names: Sequence[Path], stem: Path, extras: Extras, overlaid: Sequence[tuple[str, Mapped]]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Write what is wanted; tell of it for every performance, and for all together."""
    metadata: list[dict[str, Any]] = []
    drawn: list[tuple[str, Mapped]] = []
    for sample, name in enumerate(names):
        own: dict[str, Any] = {}
        if rendering.grid is not None:
            own["editable"] = _write_editable(name.with_name(name.name + DAW), rendering, sample, extras)
            if extras.plot and len(drawn) < MOST_DRAWN and "file" in own["editable"]:
                pictured = map_tempo(*pictured_with(rendering, sample), "beat", PICTURES)
                drawn.append((f"performance {len(metadata) + 1}", pictured))
        if extras.audio:
            sound = name.with_name(f"{name.name}.{extras.audio.kind}")
            own["audio"] = _write_sound(sound, rendering, sample, extras)
        metadata.append(own)
    together: dict[str, Any] = {}
    if drawn:
        from pianist_jax.plotting import plot

        path = stem.with_name(stem.name + PLOT)
        plot(path, [*drawn[: MOST_DRAWN - len(overlaid)], *overlaid], title=rendering.title, bars=extras.plot_bars)
        together["plot"] = {**_file(path), **plot_options(extras)}
    if extras.page:
        path = stem.with_name(stem.name + PAGE)
        takes = [
            Track(name.name, notes, tracks_with(rendering, sample), alone=not rendering.conducted)
            for sample, (name, notes) in enumerate(zip(names, rendering.performances, strict=True))
        ]
        replace_file(path, player_page(rendering.title, takes, rendering.score, rendering.grid, own_piano()))
        together["page"] = _file(path)
    return metadata, together


def write_picture(path: Path, title: str, grid: ScoreGrid, performances: Sequence[tuple[str, Notes]]) -> None:
    """Draw performances of a score, up to `MOST_DRAWN`, by their names. Raises PianistError where that cannot be."""
    from pianist_jax.plotting import plot

    plot(path, [(name, map_tempo(grid, notes, "beat", PICTURES)) for name, notes in performances], title=title)


def _write_sound(path: Path, rendering: Rendering, sample: int, extras: Extras) -> dict[str, Any]:
    """Write a sound file; tell how it was made, why not by the sampled piano where that is so, and who has none."""
    piano, tell, company = own_piano(), extras.on_sound, tracks_with(rendering, sample)
    notes = NOBODY if rendering.conducted else rendering.performances[sample]
    advance = None if tell is None else partial(tell, path.name)
    write_audio(path, notes, extras.audio or AudioFormat(), piano=piano, advance=advance, company=company)
    plain = [part.name for part in plainly(company)]
    told = {**_file(path), **audio_options(extras), **({"remark": piano.remark} if piano.remark else {})}
    return {**told, **({"synthesiser": plain} if plain else {})}


def audio_options(extras: Extras) -> dict[str, Any]:
    """The form of sound files, as the JSON file tells it."""
    return {} if extras.audio is None else {"sample_rate": extras.audio.sample_rate, "bits": extras.audio.bits}


def check_plot(grid: ScoreGrid | None, extras: Extras) -> None:
    """Raises PianistError for bars that the score does not have."""
    if extras.plot and extras.plot_bars and grid is not None:
        require_bars(grid, extras.plot_bars)


def read_overlays(rendering: Rendering, extras: Extras) -> list[tuple[str, Mapped]]:
    """The performances to lay over the plot. Raises PianistError for what cannot be."""
    if not extras.plot or rendering.grid is None:
        return []
    return [_overlay(file, rendering.score, rendering.grid) for file in extras.overlay]


def plot_options(extras: Extras) -> dict[str, Any]:
    """What a plot shows, as the JSON file tells it: the bars (null: all) and the hashes of what is laid over."""
    overlay = [_file(Path(file)) for file in extras.overlay]
    return {"bars": list(extras.plot_bars) if extras.plot_bars else None, "overlay": overlay}


def _overlay(file: str, score: Notes, grid: ScoreGrid) -> tuple[str, Mapped]:
    """Somebody's performance of the score on its beats: the notes of it that were played, aligned note by note."""
    path = Path(file)
    played, match = read_recording(path, score)
    kept = np.flatnonzero(match >= 0)
    part = dataclasses.replace(grid, onset=grid.onset[kept], duration=grid.duration[kept], part=grid.part[kept])
    chosen = match[kept]
    pitch, onset, duration, velocity = (
        column[chosen] for column in (played.pitch, played.onset, played.duration, played.velocity)
    )
    notes = Notes(pitch, onset, duration, velocity, played.pedal_time, played.pedal_value)
    return path.name.split(".")[0], map_tempo(part, make_playable(notes, as_struck=True), "beat", PICTURES)


def read_recording(path: Path, score: Notes) -> tuple[Notes, np.ndarray]:
    """Somebody's performance, normalised, and which of its notes plays each note of a score: int64 [N], -1 for none.

    Raises PianistError where too few are played.
    """
    from pianist_jax.music.midi import printable, read_midi
    from pianist_jax.performance.alignment import align, share_matched

    played = normalise(read_midi(path))[0]
    own = score.pitch.shape == played.pitch.shape and bool((score.pitch == played.pitch).all())
    match = np.arange(len(score)) if own else align(score, played)
    share = share_matched(match)
    if share < LEAST_MATCHED:
        told = f"plays {share:.0%} of the score's notes, too few for a recording of it"
        raise PianistError(f"{printable(path)}: {told}; give another")
    return played, match


def limits_of(extras: Extras) -> Limits:
    """What editable files keep within."""
    return Limits(ticks_per_quarter=extras.ppq or PPQ[0])


def lay_out(
    grid: ScoreGrid, notes: Notes, others: Sequence[OtherPart], extras: Extras
) -> tuple[Mapped, tuple[int, ...]]:
    """A performance and the other parts in its time (`performance.ensemble`) as the editable file has them, and how the
    score was changed for it. Raises PianistError."""
    limits, whole = limits_of(extras), with_others(grid, others)
    written, changed = for_sequencers(whole, limits.ticks_per_quarter, halved=bool(extras.halved))
    return map_tempo(written, together(notes, others), extras.tempo_events, limits, others), changed


def _write_editable(path: Path, rendering: Rendering, sample: int, extras: Extras) -> dict[str, Any]:
    """Write an editable file; tell how it was made, how far from the performance it sounds, or why it is not there."""
    assert rendering.grid is not None
    notes = rendering.performances[sample]
    limits, others = limits_of(extras), rendering.others_with(notes, sample)
    try:
        mapped, changed = lay_out(rendering.grid, notes, others, extras)
    except PianistError as error:  # the performance itself is worth having
        return {"left_out": str(error)}
    remarks = beyond(mapped, together(notes, others), limits, changed)
    write_mapped(path, mapped, remarks, others, conducted=rendering.conducted)
    found = {}
    if extras.tempo_events != "bar":  # notation sounds otherwise
        found = compare(path, NOBODY if rendering.conducted else notes, mapped.offset, others)
    return {
        **_file(path),
        **extras.editable,
        "beyond_limits": list(remarks),
        "tempo_changes": len(mapped.tempo.tick),
        "offset_ms": mapped.offset,
        "on_grid": round(mapped.on_grid, 4),
        "error_ms": {kind: dataclasses.asdict(difference) for kind, difference in found.items()},
    }


def worst_error(metadata: Sequence[dict[str, Any]]) -> float | None:
    """ms by which an editable file misses its performance at worst; None where there is none."""
    errors = [error["worst"] for own in metadata for error in own.get("editable", {}).get("error_ms", {}).values()]
    return max(errors) if errors else None


def told_beyond(metadata: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Where editable files are not what they would be without the limits of sequencers, each line once."""
    return tuple(dict.fromkeys(line for own in metadata for line in own.get("editable", {}).get("beyond_limits", ())))


def _file(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": file_hash(path)}
