"""What a run writes of itself: `log.jsonl`, TensorBoard's files, and a line for people."""

import json
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
    board = SummaryWriter(str(workdir / "tensorboard"), write_to_disk=local)
    path = workdir / "log.jsonl"

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
    with path.open("a") as file:
        file.write(text)
