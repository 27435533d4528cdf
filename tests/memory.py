"""How much memory and processor time something takes at most, however busy the machine is with other things."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROCESS = Path("/proc/self")


def peak() -> int:
    """Bytes of resident memory that this process has had at most since `forget_peak`, or since it began."""
    return int(re.findall(r"VmHWM:\s+(\d+) kB", (PROCESS / "status").read_text())[0]) << 10


def forget_peak() -> None:
    """Let the high-water mark be what is resident now; it would hide whatever is smaller than an earlier peak."""
    (PROCESS / "clear_refs").write_text("5")


@contextmanager
def at_most(seconds: float, memory: int = 0) -> Iterator[None]:
    """Hold what is inside to so many seconds of this process's processors, and bytes of memory (0: any; on Linux)."""
    measured = bool(memory) and (PROCESS / "clear_refs").exists()
    if measured:
        forget_peak()
    before, began = peak() if measured else 0, time.process_time()
    yield
    took = time.process_time() - began
    assert took < seconds, f"{took:.1f} s of processor time"
    if measured:
        assert peak() - before < memory, f"{(peak() - before) / 2**20:.0f} MiB"
