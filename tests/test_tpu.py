"""Compiling for TPUs without one: what is read from a program's text, the arithmetic of the estimates, real slices."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from pianist_jax.config import MESHES
from pianist_jax.errors import PianistError
from tpu.compile import Estimate, kernel_flop, step_config
from tpu.hlo import demands
from tpu.report import load, run_lines, save, table
from tpu.topologies import CHIPS, TOPOLOGIES, exchange_seconds, topology

ROOT = Path(__file__).parent.parent

# A program as the compiler writes it: one fusion reads 4 kB and 2 kB from HBM and writes 1 kB to VMEM, S(1); a loop
# of three turns takes a slice of 256 bytes of its operand and gathers; a fusion that is a reduce-scatter.
PROGRAM = """
HloModule jit_step, is_scheduled=true

%fused (a: f32[1024], b: bf16[1024]) -> f32[256] {
  %a = f32[1024]{0} parameter(0)
  %b = bf16[1024]{0} parameter(1)
  ROOT %r = f32[256]{0} custom-call(%a, %b), custom_call_target="x"
}

%sliced (c: f32[1024]) -> f32[64] {
  %c = f32[1024]{0} parameter(0)
  ROOT %s = f32[64]{0} slice(%c), slice={[0:64]}
}

%all-reduce-scatter.1 (d: f32[256]) -> f32[128] {
  %d = f32[256]{0:T(256)S(1)} parameter(0)
  %all-reduce.9 = f32[256]{0} all-reduce(%d), channel_id=7, replica_groups={{0,1},{2,3}}, to_apply=%add
  ROOT %e = f32[128]{0} slice(%all-reduce.9), slice={[0:128]}
}

%body (p: (s32[], f32[1024])) -> (s32[], f32[1024]) {
  %p = (s32[], f32[1024]{0}) parameter(0)
  %i = s32[] get-tuple-element(%p), index=0
  %x = f32[1024]{0} get-tuple-element(%p), index=1
  %f = f32[64]{0:T(256)S(1)} fusion(%x), kind=kLoop, calls=%sliced, backend_config={"estimated_cycles":"10"}
  %all-gather.3 = f32[256]{0:T(256)S(1)} all-gather(%f), channel_id=5, replica_groups=[1,4]<=[4], dimensions={0}
  ROOT %t = (s32[], f32[1024]{0}) tuple(%i, %x)
}

%condition (q: (s32[], f32[1024])) -> pred[] {
  %three = s32[]{:T(128)} constant(3)
  %q = (s32[], f32[1024]{0}) parameter(0)
  %j = s32[] get-tuple-element(%q), index=0
  ROOT %lt = pred[] compare(%j, %three), direction=LT
}

ENTRY %main (g: f32[1024], h: bf16[1024]) -> f32[128] {
  %g = f32[1024]{0} parameter(0)
  %h = bf16[1024]{0} parameter(1)
  %zero = s32[] constant(0)
  %y = f32[256]{0:T(256)S(1)} fusion(%g, %h), kind=kLoop, calls=%fused, backend_config={"estimated_cycles":"100"}
  %start = (s32[], f32[1024]{0}) tuple(%zero, %g)
  %while.1 = (s32[], /*index=1*/f32[1024]{0}) while(%start), condition=%condition, body=%body
  ROOT %z = f32[128]{0:T(256)S(1)} fusion(%y), kind=kCustom, calls=%all-reduce-scatter.1
}
"""


def test_a_program_is_read_with_its_loops() -> None:
    asked = demands(PROGRAM, 4)
    assert asked.hbm_bytes == 4096 + 2048 + 3 * 256
    assert asked.cycles == 100 + 3 * 10
    assert {(c.kind, c.bytes, c.groups, c.times) for c in asked.collectives} == {
        ("all-gather", 1024, ((0, 1, 2, 3),), 3),
        ("reduce-scatter", 1024, ((0, 1), (2, 3)), 1),
    }


@pytest.mark.parametrize(
    ("written", "groups"),
    [
        ("{{0,2},{1,3}}", ((0, 2), (1, 3))),
        ("{}", ((0, 1, 2, 3),)),
        ("[2,2]<=[4]", ((0, 1), (2, 3))),
        ("[2,2]<=[2,2]T(1,0)", ((0, 2), (1, 3))),
        ("mesh['axis_0'=2,'axis_1'=2] {'axis_0'}", ((0, 2), (1, 3))),
        ("mesh['axis_0'=2,'axis_1'=2], device_ids=([2,2]T(1,0)) {'axis_0'}", ((0, 1), (2, 3))),
    ],
)
def test_groups_are_read_in_every_notation(written: str, groups: tuple) -> None:
    found = demands(PROGRAM.replace("{{0,1},{2,3}}", written), 4).collectives
    assert [c.groups for c in found if c.kind == "reduce-scatter"] == [groups]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("direction=LT", "direction=NE", "how often a loop runs is not known"),
        ("[1,4]<=[4]", "somehow", "in a way that is not known"),
        ("ENTRY", "", "no entry computation"),
    ],
)
def test_what_cannot_be_read_is_an_error(old: str, new: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        demands(PROGRAM.replace(old, new), 4)


def test_clocks_follow_from_the_data_sheets() -> None:
    assert {name: round(chip.clock / 1e9, 2) for name, chip in CHIPS.items()} == {"v5e": 1.5, "v5p": 1.75, "v6e": 1.75}


def test_exchanges_take_as_long_as_their_links_need() -> None:
    pod, small = topology("v5e-256"), topology("v5e-16")
    places = [(x, y) for x in range(16) for y in range(16)]
    row, everyone = [tuple(range(16))], [tuple(range(256))]
    assert exchange_seconds("all-gather", 16_000_000, row, places, pod) == pytest.approx(15e6 / 100e9)
    assert exchange_seconds("all-reduce", 256_000_000, everyone, places, pod) == pytest.approx(2 * 255e6 / 200e9)
    places = [(x, y) for x in range(4) for y in range(4)]
    assert exchange_seconds("reduce-scatter", 4_000_000, [(0, 1, 2, 3)], places, small) == pytest.approx(3e6 / 50e9)
    assert exchange_seconds("all-gather", 1_000, [(3,)], places, small) == 0.0


def test_slices_are_those_of_the_meshes_and_share_their_batches() -> None:
    for name, slice_ in TOPOLOGIES.items():
        assert name in MESHES
        assert slice_.pretrain // slice_.accumulate % slice_.chips == 0
        assert slice_.finetune % slice_.chips == 0
    with pytest.raises(PianistError, match="did you mean v5e-256"):
        topology("v5e-255")


def test_kernels_are_counted_by_their_products() -> None:
    """Of one layer each: nine products of T × U × C a head; causal ones over blocks up to the diagonal."""
    config = step_config(topology("v5e-16"), "135m", "finetune")
    pairs = 10 * 512**2 + 2 * 4096**2 * 9 / 16 + 2 * 4096 * 512
    assert kernel_flop(config) == 9 * 2 * 64 * 8 * 128 * pairs


ESTIMATE = Estimate(
    topology="v5e-16", chips=16, preset="135m", task="pretrain", windows=256, accumulate=4, attention="flash",
    arguments_gib=0.5, temporary_gib=5.0, program_gib=0.1, hbm_gib=15.75, model_tflop=19.7, hbm_gb=60.0,
    exchanges={"all-gather": (856, 2062.0)}, compute=0.1, hbm=0.07, ici=0.02, step=0.25, tokens=2**20,
    compile_seconds=60.0, versions="jax", fingerprint="0",
)  # fmt: skip


def test_the_table_and_the_run_are_arithmetic(tmp_path: Path) -> None:
    save(tmp_path / "kept.jsonl", [ESTIMATE])
    assert load(tmp_path / "kept.jsonl") == [ESTIMATE]
    row = list(table([ESTIMATE]))[-1]
    assert "| 256 in 4 parts | 5.6 of 15.75 | 19.70 | 60.0 | all-gather 2,062 (856) |" in row
    assert "| 250 (≥ 100) | 4.2 (≤ 10.5) | 40% (≤ 100%) |" in row
    *_, line = run_lines([ESTIMATE], 10e9, {"v5e": 2.0})
    assert line == "| v5e-16, `135m`, pretrain | 9,537 | 0.66 | 11 | 21 |"
    (tmp_path / "kept.jsonl").write_text(json.dumps({"topology": "v5e-16"}) + "\n")
    with pytest.raises(PianistError, match="line 1 is no estimate"):
        load(tmp_path / "kept.jsonl")


def launch(tmp_path: Path, script: str, *arguments: str, **stubs: str) -> str:
    """What a launcher does when the programs it calls are `stubs`: the output of them all."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, body in stubs.items():
        (folder / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (folder / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "SLURM_SUBMIT_DIR": str(tmp_path)}
    command = ["bash", str(ROOT / "tpu" / script), *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


PRINT = r"""printf '<%s>' "$@"; echo"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of prepared data, with a space in its name."""
    folder = tmp_path / "my data"
    for name in ("prepared/aria", "prepared/giant", "pairs"):
        (folder / name).mkdir(parents=True)
    return folder


def options(root: Path, stage: str, mesh: str, shards: list[Path]) -> str:
    parts = [stage, "--config", "experiments/default.py", "--mesh", mesh]
    parts += [part for shard in shards for part in ("--shards", f"{shard}")]
    parts += ["--validation", f"{root}/pairs", "--workdir", f"{root}/runs/{stage}"]
    return "".join(f"<{part}>" for part in parts)


def test_a_host_trains_on_what_the_folder_holds(tmp_path: Path, root: Path) -> None:
    said = launch(tmp_path, "train_host.sh", str(root), "all", "finetune", "--set", "steps=5", pianist=PRINT)
    assert said == options(root, "finetune", "all", [root / "pairs"]) + "<--set><steps=5>\n"


def test_xpk_is_given_a_command_that_trains(tmp_path: Path, root: Path) -> None:
    run_it = 'echo "${@:1:$#-2}" | sed "s/pretrain-[-0-9]*/pretrain-NOW/"; bash -c "${@: -1}"'
    said = launch(
        tmp_path, "gke.sh", "cluster", "image", "v5litepod-256", "2", str(root), "v5e-256x4", "pretrain",
        "--set", "note=a b", xpk=run_it, pianist=PRINT,
    )  # fmt: skip
    first, last = said.splitlines()
    assert first == (
        "workload create --cluster cluster --workload pianist-pretrain-NOW --tpu-type=v5litepod-256 --num-slices=2 "
        "--docker-image=image --max-restarts=50"
    )
    shards = [Path(f"{root}/prepared/{name}/") for name in ("aria", "giant")]
    wanted = options(root, "pretrain", "v5e-256x4", shards) + "<--set><note=a b>"
    assert last.replace("/>", ">") == wanted


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout: there is nothing to send")
def test_plain_vms_are_given_the_code_and_a_command_that_parses(tmp_path: Path, root: Path) -> None:
    gcloud = 'echo "${@:1:4}"; if [[ $4 == ssh ]]; then bash -n -c "${@: -1}" && echo "${@: -1}" | tail -1; fi'
    said = launch(tmp_path, "tpu_vm.sh", "slice", "zone-a", str(root), "v5e-16", "pretrain", gcloud=gcloud).splitlines()
    assert said[:2] == ["compute tpus tpu-vm scp", "compute tpus tpu-vm ssh"]
    assert said[2].strip() == f"bash tpu/train_host.sh '{root}' 'v5e-16' 'pretrain'"


def test_slurm_starts_every_process_alike(tmp_path: Path, root: Path) -> None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").write_text("")
    said = launch(tmp_path, "slurm.sbatch", str(root), "finetune", srun=PRINT)
    wanted = ["bash", "tpu/train_host.sh", str(root), "gpu-8", "finetune", "--set", "model.attention=cudnn"]
    assert said == "".join(f"<{part}>" for part in wanted) + "\n"


def has_libtpu() -> bool:
    beside = Path(sys.prefix) / "libtpu" / "libtpu" / "libtpu.so"
    return beside.exists() or "TPU_LIBRARY_PATH" in os.environ or find_spec("libtpu") is not None


def report(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tpu.report", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.skipif(not has_libtpu(), reason="libtpu is not installed: `make test-slow` does it")
def test_the_step_compiles_for_a_small_slice_and_for_a_pod(tmp_path: Path) -> None:
    """The training step itself, kernels, accumulation and shardings in it; compiled once and then known."""
    kept = tmp_path / "kept.jsonl"
    cases = ["--topology", "v5e-16", "v5e-256", "--preset", "note-tiny", "--task", "pretrain"]
    cases += ["--set", "window=128", "--results", str(kept)]
    first = report(*cases)
    assert first.returncode == 0, first.stderr
    small, pod = load(kept)
    assert (small.topology, small.chips, pod.topology, pod.chips) == ("v5e-16", 16, "v5e-256", 256)
    for estimate in (small, pod):
        assert 0 < estimate.used_gib < estimate.hbm_gib
        # weights are gathered over fsdp and gradients summed over all chips
        assert {"all-gather", "all-reduce"} <= set(estimate.exchanges)
        assert 0 < estimate.bound <= estimate.step
    assert small.exchanges["all-gather"][0] > pod.exchanges["all-gather"][0]  # four parts against one
    again = report(*cases)
    assert again.returncode == 0, again.stderr
    assert "compiled" not in again.stderr
    assert again.stdout == first.stdout


@pytest.mark.slow
@pytest.mark.skipif(not has_libtpu(), reason="libtpu is not installed: `make test-slow` does it")
def test_what_does_not_fit_says_what_to_change(tmp_path: Path) -> None:
    done = report(
        "--topology", "v5e-16", "--preset", "tiny", "--task", "finetune",
        "--set", "batch=32768", "model.attention=xla", "--results", str(tmp_path / "kept.jsonl"),
    )  # fmt: skip
    assert done.returncode == 1
    assert "tiny finetune with 32768 windows on v5e-16 does not fit: it needs" in done.stderr
    assert "set model.attention=flash; or set accumulate=2; or set model.remat=true" in done.stderr
    assert not (tmp_path / "kept.jsonl").exists()
