"""A rendering read back from its JSON file, whatever somebody has edited in it. No JAX.

"performed" of each note and "pedal" may be changed; what the score says may not, as bars and beats rest on it.
Nothing is believed: every number is checked before it is used.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from pianist_jax.audio import AudioFormat
from pianist_jax.errors import PianistError
from pianist_jax.files import printable
from pianist_jax.inference.windows import Windowing
from pianist_jax.music.midi import MAX_MS, read_midi
from pianist_jax.music.notes import Notes, normalise, part, survivors
from pianist_jax.performance.expression import NEUTRAL, Expression
from pianist_jax.performance.pace import Pace, at_pace
from pianist_jax.performance.passage import Passage
from pianist_jax.performance.playable import make_playable
from pianist_jax.rendering.extras import PPQ, Extras
from pianist_jax.rendering.hashes import content_hash, file_hash, grid_hash
from pianist_jax.rendering.likeness import Likeness
from pianist_jax.rendering.others import others_hash, others_of
from pianist_jax.rendering.outputs import FIRST, FORMAT, Numbered, files_made, json_text, output_paths, renamed
from pianist_jax.rendering.result import Rendering
from pianist_jax.score.describe import minutes, pedal_in_words
from pianist_jax.score.grid import ScoreGrid, TempoMark
from pianist_jax.score.titles import title_of
from pianist_jax.score.together import Ensemble

MAX_BYTES = 64 << 20
BY_HAND = {"by": "hand"}
IDENTITY = ("score", "model", "seed", "settings", "edits")
REPORT = ("notes_per_second", "compile_seconds", "counts", "tempo", "recording_at", "editable_worst_error_ms")


@dataclasses.dataclass(frozen=True, eq=False)
class Stored:
    """A rendering as its JSON file tells it, that file, what is told of each file beside it, and which extras it has.

    `by_hand`: whether a performance was changed since the files were written; `released`: how many notes were cut
    where their key is struck again; `take`: which one it is; `content`: all that the file says.
    """

    rendering: Rendering
    path: Path
    made: dict[str, dict[str, Any]]
    extras: Extras
    by_hand: bool
    released: int
    take: Numbered = FIRST
    content: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def stem(self) -> Path:
        """The path of the rendering's files, without suffix."""
        return self.path.with_name(self.path.name.removesuffix(".json"))


def read_rendering(path: Path) -> Stored:
    """Read `NAME.json`. Raises PianistError, in one line, for what is no rendering or was edited into nonsense."""
    name = printable(path)
    content = _parse(path, name)
    if content.get("format") != FORMAT:
        said = "of another version" if "performances" in content else "not the JSON file of a rendering"
        raise PianistError(f"{name}: {said}; give the NAME.json of `pianist render`, or render it anew")
    try:
        content = renamed(content)
        raw, score, note_of_raw, grid = _score_of(content, name)
        score = at_pace(score, _factor(content, name))
        lines = [content["notes"][i] for i in survivors(raw).tolist()]
        samples = len(content["performances"])
        if len(content["pedal"]) != samples:
            raise PianistError(f'{name}: "pedal" has {len(content["pedal"])} lists for {samples} performances')
        others = others_of(content.get("others", []))
        given = [_performance(content, lines, score.pitch, sample, name) for sample in range(samples)]
        identity = _identity(content)
        report = {key: content[key] for key in REPORT if key in content}
        hashes = [own["content"] for own in content["performances"]]
        made, extras, take = files_made(content), _extras(content), _take(content)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else "its parts do not fit together"
        raise PianistError(f"{name}: damaged ({what}); undo the edit, or render the score anew") from error
    if others and (grid is None or others_hash(others) != identity["settings"].get("others")):
        raise PianistError(f'{name}: what "others" say was edited; they follow the pianist, so undo that')
    performances = tuple(make_playable(notes, as_struck=True) for notes in given)
    released = sum(int(np.sum(a.duration != b.duration)) for a, b in zip(given, performances, strict=True))
    by_hand = [content_hash(notes) for notes in performances] != hashes
    told = (str(identity["score"]["name"]), identity, report, grid, others)
    rendering = Rendering(raw, score, note_of_raw, performances, *told)
    return Stored(rendering, path, made, extras, by_hand, released, take, content)


def apply_edits(
    stored: Stored, expression: Expression = NEUTRAL, pace: Pace | None = None, like: Likeness | None = None
) -> Rendering:
    """The stored rendering with its edits by hand told in its identity, and another pace and expression on top of them.

    The style is that of `like`, where that is given. Where the same were the last to be applied, that is how it stays.
    Raises PianistError for a pace that cannot be had.
    """
    rendering = stored.rendering
    if stored.by_hand and rendering.identity["edits"][-1:] != [BY_HAND]:
        rendering = rendering.replaced(rendering.performances, BY_HAND)
    changed = rendering
    if pace is not None:
        changed = changed.at(pace, expression.tempo_scale)
        expression = dataclasses.replace(expression, tempo_scale=1.0)
    if like is not None:
        changed = changed.in_likeness(like, expression)
    elif expression != NEUTRAL:
        changed = changed.edited(expression)
    before, after = rendering.identity["edits"], changed.identity["edits"]
    asked = after[len(before) :]
    return rendering if not stored.by_hand and asked and before[-len(asked) :] == asked else changed


def describe_rendering(path: Path) -> list[tuple[str, str]]:
    """(what, how it is) of a rendering."""
    stored = read_rendering(path)
    rendering, identity = stored.rendering, stored.rendering.identity
    elsewhere, recorded = (
        ("windows", "expression", "pace", "recording", "others", "ensemble"),
        recorded_in_words(identity["settings"]),
    )
    settings = {key: value for key, value in identity["settings"].items() if key not in elsewhere}
    pending = ["by hand, not in the MIDI files yet (`pianist apply` writes them)"] if stored.by_hand else []
    rows = [
        ("format", f"rendering of {rendering.title}"),
        ("model", f"{identity['model']['name']} {identity['model']['hash'][:8]}"),
        ("settings", ", ".join(f"{key} {value}" for key, value in {"seed": identity["seed"], **settings}.items())),
        *[("recording", recorded)] * bool(recorded),
        ("tempo", rendering.tempo_in_words()),
        ("expression", wanted_in_words(identity["settings"]["expression"]) or "as the model plays"),
        ("edits", "; ".join([*map(edit_in_words, identity["edits"]), *pending]) or "none"),
        ("notes", f"{len(rendering.score)} of {len(rendering.raw)} in the score"),
        *[(f"with {other.name}", f"{len(other.notes)} notes, program {other.program}") for other in rendering.others],
    ]
    for number, notes in enumerate(rendering.performances, 1):
        which = f"performance {number}" if len(rendering.performances) > 1 else "performance"
        low, high = int(notes.velocity.min()), int(notes.velocity.max())
        loud = f"velocity {low}–{high}, mean {notes.velocity.mean():.0f}"
        rows.append((which, f"{minutes(int(notes.end.max()))}; {loud}; pedal {pedal_in_words(notes)}"))
    return rows


def _identity(content: dict[str, Any]) -> dict[str, Any]:
    """What the rendering follows from. Raises TypeError, KeyError and the like where a part of it is of no use."""
    identity = {key: content[key] for key in IDENTITY} | {"edits": list(content["edits"])}
    model, settings = identity["model"], identity["settings"]
    texts = (identity["score"]["name"], model["name"], model["hash"])
    groups = (settings, settings["expression"], *identity["edits"])
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(group, dict) for group in groups):
        raise TypeError("an identity of odd parts")
    for edit in identity["edits"]:
        edit_in_words(edit)
    recorded_in_words(settings)
    Ensemble.of(settings.get("ensemble"))
    if "windows" in settings:
        Windowing(**settings["windows"])
    return identity


def edit_in_words(edit: dict[str, Any]) -> str:
    """What an edit of a rendering's identity was."""
    if "bars" in edit or "hand" in edit:
        return f"{Passage.told(edit).in_words()} performed anew (seed {edit['seed']})"
    if "pace" in edit:
        return "tempo " + (f"{edit['pace']['tempo']}" if edit["pace"]["duration"] is None else "by duration")
    if "style_of" in edit:
        how = wanted_in_words(edit["expression"]) or "as it is"
        return f"in the style of {printable(str(edit['style_of']['file']))}: {how}"
    if "expression" in edit:
        return wanted_in_words(edit["expression"])
    if "from" in edit:
        return f"edited as in {printable(str(edit['from']))}"
    return "by hand"


def recorded_in_words(settings: dict[str, Any]) -> str:
    """Which recording a rendering was made from, by its settings; nothing where it was performed."""
    return f"as played in {printable(str(settings['recording']['file']))}" if "recording" in settings else ""


def wanted_in_words(expression: dict[str, Any]) -> str:
    """What of an expression, as a JSON file tells it, is not neutral."""
    neutral, finer = NEUTRAL.metadata(), Expression.of({"keep": (), **expression})
    told = {key: value for key, value in expression.items() if key not in ("style", "shape")}
    words = [f"{key} {value}" for key, value in told.items() if value != neutral.get(key)]
    return ", ".join([*words, *(one.in_words() for one in (finer.style, finer.shape) if one)])


def as_written(stored: Stored) -> str | None:
    """The text of a JSON file before it was edited by hand, by what its MIDI files tell; None where they do not."""
    rendering, content = stored.rendering, stored.content
    if not stored.by_hand:
        return stored.path.read_text(encoding="utf-8")
    performances = []
    for path, now, told in zip(
        output_paths(stored.stem, len(rendering.performances))[0],
        rendering.performances,
        content["performances"],
        strict=True,
    ):
        if not path.is_file() or file_hash(path) != told["sha256"]:
            return None
        performances.append(_in_order_of(now, part(read_midi(path), 0, len(now))))  # the pianist's track comes first
        if content_hash(performances[-1]) != told["content"]:
            return None
    told = ("body", "score_pedal", "pedal", "notes", "others")
    head = {key: value for key, value in content.items() if key not in told}
    return json_text(head, dataclasses.replace(rendering, performances=tuple(performances)))


def _in_order_of(notes: Notes, played: Notes) -> Notes:
    """Played notes in the order of a score's: a key's strikes follow each other as they do in the score."""
    order = np.argsort(notes.pitch, kind="stable")
    heard = np.lexsort((played.onset, played.pitch))
    if len(order) != len(heard):
        return played
    place = np.empty_like(order)
    place[order] = heard
    columns = {name: getattr(played, name)[place] for name in ("pitch", "onset", "duration", "velocity")}
    return dataclasses.replace(played, **columns)


def _parse(path: Path, name: str) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PianistError(f"{name}: larger than {MAX_BYTES >> 20} MiB; give the NAME.json of a rendering")
        text = path.read_text(encoding="utf-8")
        if text.strip() and text.lstrip()[0] not in "{[":
            raise PianistError(f"{name}: not the JSON file of a rendering; give the NAME.json of `pianist render`")
        content = json.loads(text)
    except OSError as error:
        raise PianistError(f"{name}: cannot be read ({error.strerror}); check the path") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise PianistError(f"{name}: no valid JSON ({where}: {error.msg}); correct it there") from error
    except (ValueError, RecursionError) as error:
        raise PianistError(f"{name}: no JSON file; give the NAME.json of a rendering") from error
    if not isinstance(content, dict):
        raise PianistError(f"{name}: not the JSON file of a rendering; give the NAME.json of `pianist render`")
    return content


def _whole(value: Any, low: int, high: int, what: str) -> int:
    """A whole number within limits. `what` says where it stands."""
    if type(value) is not int or not low <= value <= high:
        raise PianistError(f"{what} is {str(value)[:20]!r}, but it must be a whole number from {low} to {high}")
    return value


def _score_of(content: dict[str, Any], name: str) -> tuple[Notes, Notes, np.ndarray, ScoreGrid | None]:
    """The score's notes as they were read, normalised, which each became, and bars and beats: all as rendered."""
    lines, wanted = content["notes"], content["counts"]["input_notes"]
    if len(lines) != wanted:
        raise PianistError(f"{name}: lists {len(lines)} notes, but the score has {wanted}; put back what is missing")
    changed = PianistError(
        f'{name}: what the score says was edited; change "performed" and "pedal" only, or render the score anew'
    )
    try:
        columns = [
            (line["pitch"], *(line["score"][key] for key in ("onset", "duration", "velocity"))) for line in lines
        ]
        pitch, onset, duration, velocity = np.array(columns).T
        raw = Notes(pitch, onset, duration, velocity, *_events(content["score_pedal"], f"{name}: score_pedal"))
        score, note_of_raw = normalise(raw)
        grid = _grid(content["grid"], [lines[i] for i in survivors(raw)]) if "grid" in content else None
        same_grid = grid is None or grid_hash(grid) == content["grid"]["hash"]
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise changed from error
    if content_hash(raw) != content["score"]["content"] or not same_grid:
        raise changed
    return raw, score, note_of_raw, grid


def _factor(content: dict[str, Any], name: str) -> float:
    """How many times slower than written the rendering is; before tempo was told of, not at all."""
    factor = content.get("tempo", {}).get("factor", 1.0)
    if type(factor) not in (int, float) or not 0.001 <= factor <= 1000:
        raise PianistError(f'{name}: the "factor" of its tempo is {str(factor)[:20]!r}; undo the edit')
    return float(factor)


def _take(content: dict[str, Any]) -> Numbered:
    """Which take it is. Raises TypeError and the like for what is none."""
    take = Numbered(**content["take"]) if "take" in content else FIRST
    if type(take.number) is not int or take.number < 1 or type(take.parent) not in (int, type(None)):
        raise TypeError("a take of odd parts")
    return take


def _grid(content: dict[str, Any], lines: list[dict[str, Any]]) -> ScoreGrid:
    places = [line["score"] for line in lines]
    ids = tuple(str(line["id"]) for line in lines if "id" in line)
    onset, duration, part = (np.array([own[key] for own in places]) for key in ("tick", "ticks", "part"))
    times, keys = (tuple(tuple(own) for own in content[key]) for key in ("time_signatures", "key_signatures"))
    tempi = tuple(TempoMark(*mark) for mark in content.get("tempi", ()))
    return ScoreGrid(
        content["ticks_per_quarter"], onset, duration, part, tuple(content["parts"]), times, keys, tempi,
        tuple(map(str, content.get("remarks", ()))), ids if len(ids) == len(lines) else (),
        title_of(str(content.get("title", ""))),
    )  # fmt: skip


def _events(events: Any, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Pedal times and values, sorted by time."""
    if not isinstance(events, list):
        raise PianistError(f"{what}: no list of pedal events; put it back")
    pairs = []
    for n, event in enumerate(events):
        place = f"{what}: event {n + 1}"
        time, value = (event["time"], event["value"])
        pairs.append((_whole(time, 0, MAX_MS, f"{place}: time"), _whole(value, 0, 127, f"{place}: value")))
    pairs.sort(key=lambda pair: pair[0])  # stable
    table = np.array(pairs, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _performance(content: dict[str, Any], lines: list[Any], pitch: np.ndarray, sample: int, name: str) -> Notes:
    """The performed notes of a sample, in the order of the score."""
    onset, duration, velocity = (np.zeros(len(lines), np.int64) for _ in range(3))
    number = {id(line): n + 1 for n, line in enumerate(content["notes"])}
    for n, line in enumerate(lines):
        bar = f" (bar {line['bar']})" if "bar" in line else ""
        what = f"{name}: note {number[id(line)]}{bar}"
        if "performed" not in line or len(line["performed"]) != len(content["performances"]):
            raise PianistError(f'{what}: "performed" needs one entry for each performance; undo the edit')
        own = line["performed"][sample]
        onset[n] = _whole(own["onset"], 0, MAX_MS, f"{what}: onset")
        duration[n] = _whole(own["duration"], 1, MAX_MS - int(onset[n]), f"{what}: duration")
        velocity[n] = _whole(own["velocity"], 1, 127, f"{what}: velocity")
    order = np.lexsort((onset, pitch))
    twice = (pitch[order[1:]] == pitch[order[:-1]]) & (onset[order[1:]] <= onset[order[:-1]])
    if twice.any():
        n = order[1:][twice][0]
        key = f"key {pitch[n]} is struck twice at {onset[n]} ms"
        raise PianistError(f"{name}: note {number[id(lines[n])]}: {key}; move one of the two")
    time, value = _events(content["pedal"][sample], f"{name}: pedal of performance {sample + 1}")
    return Notes(pitch, onset, duration, velocity, time, value)


def _extras(content: dict[str, Any]) -> Extras:
    """The extras that were written with the rendering."""
    performances = content["performances"]
    made: dict[str, Any] = next((own["editable"] for own in performances if "file" in own.get("editable", {})), {})
    plot = content.get("plot", {})
    bars = tuple(plot["bars"]) if plot.get("bars") else None
    ppq = made["ticks_per_quarter"] if made.get("ticks_per_quarter") in PPQ else None
    events, halved = made.get("tempo_events", "onset"), bool(made.get("halved"))
    sounds = [own["audio"] for own in performances if "audio" in own]
    audio = None
    if sounds:
        kind = Path(sounds[0]["file"]).suffix[1:]
        audio = AudioFormat(kind, *(sounds[0].get(key, getattr(AudioFormat, key)) for key in ("sample_rate", "bits")))
    return Extras(events, bool(plot), audio, bars, ppq=ppq, halved=halved, page="page" in content)
