"""Weights files: what is written comes back, and what is wrong is named."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors

from pianist_jax.config import preset
from pianist_jax.errors import PianistError
from pianist_jax.inference.engine import load_model
from pianist_jax.model.sizes import num_params
from pianist_jax.weights import bundled, load_weights, save_weights, weights_path


@pytest.fixture
def params() -> dict:
    rng = np.random.default_rng(0)
    return {
        "encoder": {"kernel": rng.normal(0, 0.02, (3, 64, 128)).astype(np.float32)},
        "turned": {"kernel": rng.normal(0, 0.02, (32, 8)).astype(np.float32).T},  # not contiguous in memory
        "norm": {"weight": rng.normal(0, 0.1, 64).astype(np.float32)},
        "zeros": {"kernel": np.zeros((64, 64), np.float32)},
    }


@pytest.mark.parametrize(("dtype", "error"), [("float32", 0.0), ("bfloat16", 2**-8), ("int8", 1 / 250)])
def test_weights_come_back_within_their_precision(params: dict, tmp_path, dtype: str, error: float) -> None:
    path = tmp_path / "deep" / "w.safetensors"
    save_weights(path, preset("note-tiny"), params, dtype=dtype, metadata={"steps": 3})
    config, back = load_weights(path)
    assert config == preset("note-tiny")
    with safetensors.safe_open(path, framework="np") as file:
        assert json.loads(file.metadata()["about"]) == {"steps": 3}
    for group, tensors in params.items():
        for name, value in tensors.items():
            largest = np.abs(value).max() if dtype == "int8" else np.abs(value)
            assert (np.abs(back[group][name] - value) <= error * largest + 1e-12).all()
    assert [file.name for file in path.parent.iterdir()] == ["w.safetensors"]


def test_int8_takes_little_more_than_a_byte_a_weight(params: dict, tmp_path) -> None:
    big = {"kernel": np.ones((512, 512), np.float32)}
    save_weights(tmp_path / "w.safetensors", preset("note-tiny"), big)
    assert (tmp_path / "w.safetensors").stat().st_size < 512 * 512 * 1.04 + 2000


def test_what_is_not_finite_is_never_written_nor_read(params: dict, tmp_path) -> None:
    path = tmp_path / "w.safetensors"
    params["norm"]["weight"][3] = np.nan
    with pytest.raises(PianistError, match=r"norm\.weight is not a finite number"):
        save_weights(path, preset("note-tiny"), params)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(params: dict, tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PianistError, match="cannot be written"):
        save_weights(tmp_path / "file" / "w.safetensors", preset("note-tiny"), params)


def test_damaged_missing_and_foreign_files_are_named(params: dict, tmp_path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(PianistError, match="no such file"):
        load_weights(path)
    save_weights(path, preset("note-tiny"), params)
    whole = path.read_bytes()
    for damaged in (b"", whole[:7], whole[: len(whole) // 2], b"x" * 1000):
        path.write_bytes(damaged)
        with pytest.raises(PianistError, match="damaged or not a weights file"):
            load_weights(path)
    with pytest.raises(PianistError, match=r'no bundled weights are called "nobody" \(there: default'):
        weights_path("nobody")


def test_the_bundled_model_fits_into_the_package() -> None:
    path = weights_path("default")
    assert path.stat().st_size <= 24e6
    config, params = load_weights(path)
    assert config.decoder == "note"
    assert "decoder" in params


def rewritten(path: Path, change: Callable[[dict], object]) -> Path:
    """A weights file with another header."""
    data = path.read_bytes()
    end = 8 + struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:end])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[end:])
    return path


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda header: header.update({"norm.weight.more": header.pop("zeros.kernel")}), "beginning of another's"),
        (
            lambda header: header["zeros.kernel::scale"].update(shape=[1, 64]),
            "zeros.kernel has a scale that does not fit",
        ),
        (lambda header: header.update({"zeros.kernel::scale": header.pop("turned.kernel")}), "damaged|does not fit"),
        (lambda header: header["turned.kernel"].update(dtype="F8_E4M3", shape=[4, 256]), "float8|damaged"),
        (lambda header: header["__metadata__"].update(model=json.dumps({"width": {"a": 1}})), "damaged"),
        (lambda header: header["__metadata__"].update(model="[" * 100_000), "damaged"),
        (lambda header: header["__metadata__"].update(model='{"heads": 0}'), "heads is 0"),
        (lambda header: header["__metadata__"].update(model='{"metre": "yes"}'), "damaged"),
        (lambda header: header["__metadata__"].update(model={"width": 3}), "damaged"),
    ],
)
def test_a_header_that_was_edited_is_one_line(params: dict, tmp_path, change: Callable, problem: str) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, preset("note-tiny"), params)
    with pytest.raises(PianistError, match=problem) as caught:
        load_weights(rewritten(path, change))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_of_another_model_than_their_settings_tell(params: dict, tmp_path) -> None:
    save_weights(tmp_path / "w.safetensors", preset("note-tiny"), params)
    with pytest.raises(PianistError, match="is not as its settings tell"):
        load_model(tmp_path / "w.safetensors")


def test_others_may_read_the_file(params: dict, tmp_path) -> None:
    before = os.umask(0o022)
    try:
        save_weights(tmp_path / "w.safetensors", preset("note-tiny"), params)
    finally:
        os.umask(before)
    assert (tmp_path / "w.safetensors").stat().st_mode & 0o777 == 0o644


def test_bundled_weights_are_listed_as_they_are() -> None:
    (default,) = [one for one in bundled() if one.name == "default"]
    assert default.parameters == num_params(load_weights(default.path)[1])
    assert default.licence == "CC-BY-NC-SA-4.0"
