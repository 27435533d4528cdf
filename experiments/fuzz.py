"""Wrong files of every kind that is read: does each end in music or in one line about itself?

    python -m experiments.fuzz --inputs 10000 --keep FOLDER [--kinds midi kern] [--seed 0] [--begin 0] [--seeds FOLDER]

Each input follows from seed, kind and number alone. Readers run in processes of their own with limits on memory and
time. Told and kept are inputs that end in anything but a result or a PianistError, that take longer than `SLOW`
seconds of a processor, or more than `HUGE` bytes. `--seeds` adds small files of one's own to those that are mutated.
What once ended otherwise is kept in tests/data/fuzz, and read again by tests/experiments/test_fuzz.py.

Result (--inputs 10000 --seed 11, all nine kinds; 90 000 inputs): none ends in anything but a result or one line, none
takes more than 3.3 s of a processor (weights; the others 1.3 s at most) or `HUGE` bytes. A run before this one found
9999 bars of rest in a tune: what codas and fines mean took time as the square of the bars, 20 s for the 20 000 that
may be; now 2.5 s. On a quiet core 10 000 inputs took 35 s (parts) to 221 s (abc).
"""

import argparse
import dataclasses
import faulthandler
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments import mutations
from pianist_jax.errors import PianistError

SLOW = 10  # seconds of a processor, so that a busy machine finds nothing
HANGS = 300  # seconds of the clock
HUGE = 1 << 30  # bytes beyond what the program takes anyway
SEED_BYTES = 40_000  # larger seeds only make it slower
HERE = Path(__file__).parents[1]


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of input: how its files are called, mutated and read."""

    suffix: str
    mutate: mutations.Mutate
    read: Callable[[Path], None]
    seeds: tuple[str, ...] = ()  # globs below the repository
    raw: float = 0.25  # share of mutations byte by byte


class Slow(BaseException):
    """An input takes too long; no reader may catch it."""


def read_as_score(path: Path) -> None:
    """All that is done with a score but to perform it: read, describe, and write it with its bars and beats."""
    from pianist_jax.rendering.renderer import read_piece
    from pianist_jax.score.describe import describe
    from pianist_jax.score.load import load
    from pianist_jax.score.reading import Reading

    describe(path)
    if path.suffix != ".mid":
        load(path, Reading(repeats=False))
    piece = read_piece(path)
    deadpan(piece).save(path.parent, name=path.stem, force=True)


def deadpan(piece: Any) -> Any:
    """A rendering in which a score is played as it stands."""
    from pianist_jax.performance.expression import NEUTRAL
    from pianist_jax.rendering.result import Rendering

    settings = {"samples": 1, "expression": NEUTRAL.metadata()}
    score = {"name": piece.name, "content": piece.content}
    model = {"name": "deadpan", "hash": "0" * 8}
    identity = {"score": score, "model": model, "seed": 0, "settings": settings, "edits": []}
    counts = {"input_notes": len(piece.raw), "performed_notes": len(piece.score)}
    return Rendering(
        piece.raw, piece.score, piece.note_of_raw, (piece.score,), piece.name, identity, {"counts": counts}, piece.grid
    )


def read_as_rendering(path: Path) -> None:
    """A rendering described, changed and written again."""
    from pianist_jax.performance.expression import Expression
    from pianist_jax.performance.pace import Pace
    from pianist_jax.rendering import stored, takes

    stored.describe_rendering(path)
    read = stored.read_rendering(path)
    changed = stored.apply_edits(read, Expression(timing=0.5), Pace(60.0))
    takes.keep_take(changed, path.parent / "again" / read.stem.name, read.extras, force=True)


def read_as_weights(path: Path) -> None:
    """Weights of both layouts made a model; a file is of one of them at most."""
    from pianist_jax import convert
    from pianist_jax.inference.engine import load_model

    for read in (load_model, convert.load_published):
        try:
            read(path)
        except PianistError:
            continue


def read_as_part(path: Path) -> None:
    """Parts cut into the windows that training takes."""
    from pianist_jax.data.curves import pair_curves
    from pianist_jax.data.parts import load_pairs, load_parts
    from pianist_jax.data.windows import pair_windows, piece_windows

    try:
        pieces = load_parts([path], workers=1)
    except PianistError:
        pairs = load_pairs([path], workers=1)
        pair_windows(pairs, 64, "train", curves=pair_curves(pairs))
    else:
        piece_windows(pieces, 64)


SCORES = {
    "midi": Kind(".mid", mutations.midi, read_as_score, ("tests/data/fuzz/seeds/*.mid",)),
    "musicxml": Kind(".musicxml", mutations.xml, read_as_score, ("tests/data/fuzz/seeds/*.musicxml",)),
    "mei": Kind(".mei", mutations.xml, read_as_score, ("tests/data/scores/*.mei", "tests/data/fuzz/seeds/*.mei")),
    "kern": Kind(".krn", mutations.kern, read_as_score, ("tests/data/scores/*.krn", "tests/data/fuzz/seeds/*.krn")),
    "mxl": Kind(".mxl", mutations.mxl, read_as_score, ("tests/data/fuzz/seeds/*.musicxml",), 0.0),
}
KINDS = SCORES | {
    "json": Kind(".json", mutations.stored, read_as_rendering),
    "weights": Kind(".safetensors", mutations.safetensors, read_as_weights, ("tests/data/tiny.safetensors",)),
    "parts": Kind(".part", mutations.part, read_as_part),
    "abc": Kind(".abc", mutations.abc, read_as_score, ("tests/data/fuzz/seeds/*.abc",)),
}


def seeds_of(name: str, folder: Path | None = None) -> list[bytes]:
    """The valid files that inputs of a kind are made from."""
    kind = KINDS[name]
    paths = [path for pattern in kind.seeds for path in sorted(HERE.glob(pattern))]
    suffix = ".musicxml" if name == "mxl" else kind.suffix
    paths += sorted(folder.rglob(f"*{suffix}")) if folder else []
    found = [path.read_bytes() for path in paths if path.stat().st_size <= SEED_BYTES]
    made: dict[str, Callable[[], list[bytes]]] = {"json": _renderings, "weights": _weights, "parts": _parts}
    return found + (made[name]() if name in made else [])


def make_input(name: str, seeds: Sequence[bytes], seed: int, number: int) -> bytes:
    """Input `number` of a kind."""
    kind = KINDS[name]
    draw = np.random.default_rng([seed, list(KINDS).index(name), number])
    if draw.random() < kind.raw:
        return mutations.bytewise(seeds[int(draw.integers(len(seeds)))], draw)
    return kind.mutate(list(seeds), draw)


def check(name: str, content: bytes, folder: Path, seconds: int = SLOW) -> str:
    """What is wrong with how an input is read; nothing where it is read, or refused in one line that names it."""
    path = folder / f"input{KINDS[name].suffix}"
    path.write_bytes(content)
    signal.signal(signal.SIGPROF, _too_slow)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        KINDS[name].read(path)
    except PianistError as error:
        return "" if "\n" not in str(error) else f"more than a line: {error!r}"
    except Slow:
        return f"slow: more than {seconds} s"
    except MemoryError:
        return f"huge: more than {HUGE >> 20} MiB"
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:100]} ({Path(where.filename).name}:{where.lineno} {where.name})"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return ""


def _too_slow(*_: object) -> None:
    raise Slow


def work(name: str, seed: int, begin: int, end: int, seeds: Path | None, keep: Path | None) -> None:
    """Check inputs `begin` to `end` in this process, which then has limits; a line of JSON for each."""
    valid = seeds_of(name, seeds)
    with tempfile.TemporaryDirectory() as temporary:
        for content in valid:
            problem = check(name, content, Path(temporary), 600)  # compiles, and warms what is cached
            if problem and begin == 0:
                print(json.dumps({"number": -1, "problem": f"a seed: {problem}"}), flush=True)
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (taken + HUGE, taken + HUGE))
        for number in range(begin, end):
            content = make_input(name, valid, seed, number)
            if keep is not None:
                (keep / "last").write_bytes(content)
            faulthandler.dump_traceback_later(HANGS, exit=True)  # what hangs outside Python hears no signal
            began = time.process_time()
            problem = check(name, content, Path(temporary))
            took = time.process_time() - began
            faulthandler.cancel_dump_traceback_later()
            print(json.dumps({"number": number, "problem": problem, "seconds": round(took, 3)}), flush=True)
            if problem and keep is not None:
                (keep / f"{name}-{seed}-{number}{KINDS[name].suffix}").write_bytes(content)


def run(name: str, arguments: argparse.Namespace) -> dict[str, list[int]]:
    """Check the inputs of a kind in processes that are begun anew where one dies. Problems, and who has them."""
    problems: dict[str, list[int]] = {}
    at, end = arguments.begin, arguments.begin + arguments.inputs
    slowest, began = 0.0, time.monotonic()
    while at < end:
        command = [sys.executable, "-m", "experiments.fuzz", "--work", name, "--seed", str(arguments.seed)]
        command += ["--begin", str(at), "--inputs", str(end - at)]
        command += ["--keep", str(arguments.keep)] if arguments.keep else []
        command += ["--seeds", str(arguments.seeds)] if arguments.seeds else []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE) as process:
            assert process.stdout is not None
            begun = False
            for line in process.stdout:
                told, begun = json.loads(line), True
                at = max(at, told["number"] + 1)
                slowest = max(slowest, told.get("seconds", 0.0))
                if told["problem"]:
                    problems.setdefault(told["problem"], []).append(told["number"])
        if process.returncode == 1 and not begun:
            raise SystemExit(f"{name}: a process could not begin at input {at}")
        if at < end:
            problems.setdefault(f"the process died ({process.returncode})", []).append(at)
            at += 1
    took = time.monotonic() - began
    wrong = sum(map(len, problems.values()))
    print(
        f"{name}: {arguments.inputs} inputs, {wrong} uncaught, slowest {slowest:.1f} s, {took:.0f} s in all", flush=True
    )
    for problem, numbers in sorted(problems.items(), key=lambda item: -len(item[1])):
        print(f"  {len(numbers):5} {problem}: {numbers[:3]}", flush=True)
    return problems


def _renderings() -> list[bytes]:
    from pianist_jax.rendering.renderer import read_piece

    made = []
    with tempfile.TemporaryDirectory() as folder:
        for number, score in enumerate((HERE / "tests/data/scores").iterdir()):
            stem = Path(folder) / f"{number}"
            deadpan(read_piece(score)).save(stem.parent, name=stem.name)
            made.append(stem.with_suffix(".json").read_bytes())
    return made


def _weights() -> list[bytes]:
    import jax

    from pianist_jax.config import preset
    from pianist_jax.model.pianist import abstract_params
    from pianist_jax.weights import save_weights

    config = dataclasses.replace(
        preset("note-tiny"), width=8, feed_forward=8, heads=1, kv_heads=1, encoder_layers=1, decoder_layers=1
    )
    shapes = abstract_params(config)
    draw = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: draw.normal(0, 0.02, leaf.shape).astype(np.float32), shapes)
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for dtype in ("int8", "bfloat16"):
            save_weights(Path(folder) / "w", config, params, dtype=dtype, metadata={"last": {"step": 3}})
            made.append((Path(folder) / "w").read_bytes())
    return made


def _parts() -> list[bytes]:
    """Two pieces, and two pairs with their metre."""
    from pianist_jax.data import parts
    from pianist_jax.data.export import export_pairs
    from pianist_jax.data.records import compact, pack_pair, to_planes
    from pianist_jax.data.shards import write_shard
    from pianist_jax.data.sources import find_source
    from pianist_jax.music.tokens import METRE_SIZE, SLOT_SIZE, SLOT_START, ScoreTokens

    draw = np.random.default_rng(0)
    source = find_source("asap")
    tokens = (SLOT_START + draw.integers(0, SLOT_SIZE, (4, 80, 8))).astype(np.int32)
    packed = parts.compress(to_planes(compact(np.concatenate(tokens[:2]))))
    pieces = [{"notes": 80, "source": 0, "pedal": "switch", "file": f"{n}.mid"} for n in range(2)]
    body = b"".join(packed)
    block = {"pieces": pieces, "notes": 160, "sizes": list(map(len, packed)), "crc": zlib.crc32(body), "start": 0}
    header = {"kind": parts.PIECES, "export": "0", "part": 0, "parts": 1, "blocks": [block]}
    header["sources"] = [dataclasses.asdict(source) | {"weight": 1.0}]
    tokens[3, :, 0] = tokens[2, :, 0]
    score = ScoreTokens(tokens[2], draw.integers(0, METRE_SIZE, (80, len(METRE_SIZE))).astype(np.int32))
    about = {"composition": "Op. 1", "split": "train", "pedal": "none", "corpus": "asap", "file": "2.mid"}
    pairs = [pack_pair(score, tokens[3], about | {"unplayed": [3, 4]}), pack_pair(score, tokens[3], about)]
    with tempfile.TemporaryDirectory() as folder:
        write_shard(Path(folder) / "pairs.array_record", pairs)
        (made,) = export_pairs([Path(folder) / "pairs.array_record"], Path(folder) / "export")
        return [parts.assemble(header, [body]), made.read_bytes()]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--inputs", type=int, default=1000, help="of each kind")
    parser.add_argument("--begin", type=int, default=0, help="number of the first input")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=Path, help="folder of further valid files")
    parser.add_argument("--keep", type=Path, help="folder for inputs that fail")
    parser.add_argument("--work", choices=list(KINDS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
    if arguments.work:
        begin, end = arguments.begin, arguments.begin + arguments.inputs
        work(arguments.work, arguments.seed, begin, end, arguments.seeds, arguments.keep)
        return
    failed = [name for name in arguments.kinds if run(name, arguments)]
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
