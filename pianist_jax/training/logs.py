"""What a run writes of itself: `log.jsonl`, TensorBoard's files, and a line for people."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
from etils import epath

from pianist_jax.errors import PianistError

Line = dict[str, Any]


@contextmanager
def open_logs(workdir: epath.PathLike) -> Iterator[Callable[[Line], None]]:
    """A function that logs a line to `log.jsonl`, and on a local disk its figures to `tensorboard/`.

    Silent in all processes but one.
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
        board = SummaryWriter(str(workdir / "tensorboard"), write_to_disk=local)
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
        lines += [line] if isinstance(line, dict) else []
    return lines


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
