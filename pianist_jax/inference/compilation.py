"""Compiled programs, kept on disk from one run to the next (JAX's persistent compilation cache)."""

import hashlib
import os
import platform
import secrets
from contextlib import suppress
from pathlib import Path

import jax
import platformdirs

VARIABLE, SETTING = "PIANIST_CACHE", "jax_compilation_cache_dir"


def keep_programs() -> Path | None:
    """Keep compiled programs in the user's cache folder, or in the one that PIANIST_CACHE names; gives the folder.

    None, and nothing kept, where that variable is empty, or the folder cannot be written to. JAX's own setting
    (JAX_COMPILATION_CACHE_DIR) goes first. JAX knows by program, versions and settings what serves again; what it
    does not know is the machine, for whose instructions a CPU's programs are made, so each kind has its own folder.
    """
    chosen = getattr(jax.config, SETTING)
    if chosen is not None:
        return Path(chosen)
    named = os.environ.get(VARIABLE)
    if named == "":
        return None
    folder = Path(named or platformdirs.user_cache_dir("pianist_jax", appauthor=False)) / "programs" / _machine()
    probe = folder / f".{secrets.token_hex(8)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError:
        return None
    jax.config.update(SETTING, str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    return folder


def _machine() -> str:
    """The processor's architecture and a hash of what it can do."""
    told = platform.processor()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        told += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
