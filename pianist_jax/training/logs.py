"""What a run writes of itself: `log.jsonl`, TensorBoard's files, and a line for people."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
from etils import epath

from pianist_jax.errors import PianistError
from pianist_jax.files import replace_file

Line = dict[str, Any]


@contextmanager
def open_logs(workdir: epath.PathLike, *, after: int | None = None) -> Iterator[Callable[[Line], None]]:
    """A function that logs a line to `log.jsonl`, and on a local disk its figures to `tensorboard/`.

    A run that goes on `after` a step makes those behind it again: what was told of them is taken away. Silent in all
    processes but one.
    Raises PianistError when a line cannot be written.
    """
    if jax.process_index() != 0:
        yield lambda line: None
        return
    from tensorboardX import SummaryWriter

    workdir = epath.Path(workdir)
    local = "://" not in str(workdir)
    path = workdir / "log.jsonl"
    try:
        if after is not None:
            _forget(path, after)
        purge = None if after is None else after + 1
        board = SummaryWriter(str(workdir / "tensorboard"), write_to_disk=local, purge_step=purge)
    except OSError as error:
        raise PianistError(f"{path.parent}: cannot be written ({error.strerror or error}); make room") from error

    def write(line: Line) -> None:
        try:
            _append(path, json.dumps(line) + "\n")
            for name, value in figures(line).items():
                board.add_scalar(name, value, line["step"])
            board.flush()
        except OSError as error:
            reason = error.strerror or error
            raise PianistError(f"{path}: cannot be written ({reason}); make room and run again") from error

    try:
        yield write
    finally:
        board.close()


def read_log(workdir: epath.PathLike) -> list[Line]:
    """The whole lines of a run's `log.jsonl`: what a full disk or a lost machine cut short is left out."""
    path, lines = epath.Path(workdir) / "log.jsonl", []
    for text in path.read_bytes().decode(errors="replace").splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        lines += [line] if isinstance(line, dict) and isinstance(line.get("step", 0), int) else []
    return lines


def _forget(path: epath.Path, after: int) -> None:
    """Take away the lines of steps behind `after`, and what is no line."""
    if not path.exists():
        return
    lines = read_log(path.parent)
    kept = "".join(json.dumps(line) + "\n" for line in lines if line.get("step", 0) <= after)
    if kept.encode() != path.read_bytes():
        if "://" in str(path):
            path.write_text(kept)
        else:
            replace_file(Path(path), kept)


def figures(line: Line) -> dict[str, float]:
    """The numbers of a line by TensorBoard's names, groups as folders."""
    flat: dict[str, float] = {}
    for name, value in line.items():
        if isinstance(value, dict):
            flat |= {f"{name}/{field}": number for field, number in value.items()}
        elif name != "step":
            flat[name] = float(value)
    return flat


def sentence(line: Line) -> str:
    """A line for people."""

    def fields(means: dict[str, float]) -> str:
        return " ".join(f"{name} {value:.3f}" for name, value in means.items() if name != "pitch" or value)

    mfu = f" MFU {line['mfu']:.1%}" if "mfu" in line else ""
    skipped = f" | {line['skipped']:.0f} spikes left out" if line.get("skipped") else ""
    text = (
        f"step {line['step']} loss {line['loss']:.4f} | {fields(line['train'])}{skipped} | "
        f"{line['tokens_per_second']:,.0f} tokens/s{mfu} | {line['seconds_left']:.0f} s left"
    )
    return text + (f"\n  validation: {fields(line['validation'])}" if "validation" in line else "")


def _append(path: epath.Path, text: str) -> None:
    if "://" in str(path):  # buckets cannot append; a few hundred kilobytes once a minute do no harm
        path.write_text((path.read_text() if path.exists() else "") + text)
        return
    if path.is_file() and path.stat().length:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            text = text if file.read(1) == b"\n" else f"\n{text}"  # the line before was cut short
    with path.open("a") as file:
        file.write(text)
