"""Jobs of several processes with several virtual devices each, on this machine."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import portpicker

ROOT = Path(__file__).parents[2]
PATIENCE = 900.0  # seconds, for a machine that is busy with other things


@dataclass(frozen=True)
class Job:
    """Running processes, and the file that each prints to."""

    processes: Sequence[subprocess.Popen]
    outputs: Sequence[Path]

    def said(self, process: int = 0) -> str:
        return self.outputs[process].read_text()

    def wait_for(self, words: str) -> None:
        """Until the first process says so."""
        deadline = time.monotonic() + PATIENCE
        while words not in self.said():
            assert all(process.poll() is None for process in self.processes), self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def ends(self) -> list[int]:
        """Exit codes."""
        try:
            return [process.wait(PATIENCE) for process in self.processes]
        finally:
            self.kill()

    def kill(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def start(folder: Path, processes: int, devices: int, **wish: Any) -> Job:
    """Start `tests.training.job` so many times; outputs go below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    flags = f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0"
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment |= {"XLA_FLAGS": f"{flags} --xla_llvm_disable_expensive_passes=true", "OMP_NUM_THREADS": "1"}
    if processes > 1:
        port = portpicker.pick_unused_port()
        environment |= {"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}", "JAX_NUM_PROCESSES": str(processes)}
    started, outputs = [], []
    for number in range(processes):
        outputs.append(folder / f"{time.monotonic_ns()}-{number}.txt")
        command = [sys.executable, "-m", "tests.training.job", json.dumps(wish)]
        with outputs[-1].open("w") as output:
            mine = environment | ({"JAX_PROCESS_ID": str(number)} if processes > 1 else {})
            started.append(subprocess.Popen(command, cwd=ROOT, env=mine, stdout=output, stderr=subprocess.STDOUT))
    return Job(started, outputs)


def run(folder: Path, processes: int, devices: int, **wish: Any) -> str:
    """A whole job; what its first process said."""
    job = start(folder, processes, devices, **wish)
    codes = job.ends()
    assert codes == [0] * processes, "\n".join(job.said(number) for number in range(processes))
    return job.said()


def losses(workdir: Path) -> dict[int, dict[str, Any]]:
    """The last line logged of each step."""
    lines = [json.loads(line) for line in (workdir / "log.jsonl").read_text().splitlines()]
    return {line["step"]: {name: line[name] for name in ("loss", "gradient", "train")} for line in lines}
