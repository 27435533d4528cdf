"""Compiled programs, kept on disk from one run to the next: what is there need not even be traced again."""

import functools
import hashlib
import os
import pickle
import platform
import secrets
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
from jax.experimental import serialize_executable

from pianist_jax.files import replacing

VARIABLE, SUFFIX = "PIANIST_CACHE", ".program"
# What a program is made by, beside JAX: another text may mean another program.
_SOURCES = ("config", "inference", "model", "music", "parallel.py")


def programs_folder() -> Path | None:
    """Where compiled programs are kept: in the user's cache folder, or in the one that PIANIST_CACHE names.

    None, and nothing is kept, where that variable is empty, the folder cannot be written to, or JAX keeps what it
    compiles itself (JAX_COMPILATION_CACHE_DIR): what it hands out cannot be kept a second time. A CPU's programs are
    made for its instructions, so each kind of machine has its own folder.
    """
    named = os.environ.get(VARIABLE)
    if named == "" or jax.config.jax_compilation_cache_dir is not None:  # type: ignore[attr-defined]
        return None
    if not named:
        import platformdirs  # a machine that has a folder named, or keeps nothing, can do without

        named = platformdirs.user_cache_dir("pianist_jax", appauthor=False)
    folder = Path(named) / "programs" / _machine()
    probe = folder / f".{secrets.token_hex(8)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError:
        return None
    return folder


def kept_or_compiled(
    compile_it: Callable[[], Callable[..., Any]], devices: list[jax.Device], *what: Any
) -> Callable[..., Any]:
    """The program for these devices that `what` tells from all others: read from disk, else compiled and kept there.

    A file that is damaged, or written by another make of JAX, is replaced; one that cannot be written is done without.
    """
    folder = programs_folder()
    if folder is None:
        return compile_it()
    file = folder / (_name(devices, *what) + SUFFIX)
    with suppress(Exception):  # whatever a damaged file makes pickle or XLA raise
        payload, takes, gives = pickle.loads(file.read_bytes())
        backend = devices[0].client
        return serialize_executable.deserialize_and_load(payload, takes, gives, backend, devices)
    program = compile_it()
    with suppress(OSError), replacing(file) as unfinished:
        unfinished.write_bytes(pickle.dumps(serialize_executable.serialize(program)))  # type: ignore[arg-type]
    return program


def _name(devices: list[jax.Device], *what: Any) -> str:
    """A hash of all that a program depends on."""
    told = [(each.id, each.device_kind) for each in devices], devices[0].client.platform_version
    settings = sorted((name, repr(value)) for name, value in jax.config.values.items())
    versions = version("jax"), version("jaxlib"), os.environ.get("XLA_FLAGS"), _sources()
    return hashlib.sha256(repr((told, settings, versions, what)).encode()).hexdigest()[:40]


@functools.cache
def _sources() -> str:
    """A hash of the code that programs are made by."""
    package, content = Path(__file__).parent.parent, hashlib.sha256()
    for name in _SOURCES:
        path = package / name
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            content.update(file.read_bytes())
    return content.hexdigest()


def _machine() -> str:
    """The processor's architecture and a hash of what it can do."""
    told = platform.processor()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        told += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
