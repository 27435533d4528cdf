"""Published weights: the published implementation's numbers, there and back, every tensor accounted for."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import safetensors
import safetensors.numpy

from pianist_jax.config import ModelConfig, preset
from pianist_jax.convert import (
    HEAD,
    NEVER_READ,
    convert,
    load_published,
    published_config,
    published_places,
    save_published,
)
from pianist_jax.errors import PianistError
from pianist_jax.model.pianist import Pianist, initialise
from pianist_jax.model.sizes import num_params
from pianist_jax.music.tokens import ScoreTokens
from pianist_jax.weights import load_weights, save_weights

DATA = Path(__file__).parent / "data"
TINY = DATA / "tiny.safetensors"
TABLE = "model.decoder.embed_tokens.weight"


@pytest.fixture(scope="module")
def published():
    return load_published(TINY)


@pytest.fixture
def broken(tmp_path):
    """A copy of the published file with some tensors changed (None: taken out), its JSON beside it."""

    def make(changes: dict, sizes: dict | None = None) -> Path:
        tensors = safetensors.numpy.load_file(TINY) | changes
        path = tmp_path / "tiny.safetensors"
        safetensors.numpy.save_file({name: x for name, x in tensors.items() if x is not None}, path)
        (tmp_path / "tiny_config.json").write_text(json.dumps({"head_dim": 8} if sizes is None else sizes))
        return path

    return make


@pytest.mark.usefixtures("strict_dtypes")
def test_parity_with_the_published_implementation(published):
    config, params = published
    golden = np.load(DATA / "tiny_golden.npz")
    score = golden["input_ids"].reshape(2, 40, 8)
    prefix = golden["decoder_input_ids"]  # BOS, then the performance but for its last token, which is never read
    performance = np.concatenate([prefix[:, 1:], np.full((2, 1), 5, np.int32)], axis=1).reshape(2, 40, 8)
    assert golden["attention_mask"].all()

    def states(model, score, performance):
        memory, real = model.encode(ScoreTokens(score), np.ones((2, 40), bool))
        return memory, model.decoder.logits(model.decoder.hidden(memory, real, performance, True))

    memory: Any
    logits: Any
    memory, logits = Pianist(config).apply({"params": params}, score, performance, method=states)
    assert logits.shape == (2, 320, 5389)
    np.testing.assert_allclose(memory, golden["encoder_output"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(logits[:, golden["logit_positions"]], golden["logits"], atol=1e-4, rtol=0)


def test_sizes_and_tree_are_the_model_s_own(published):
    config, params = published
    assert config == preset("tiny")
    ours = jax.eval_shape(lambda key: initialise(config, key), jax.random.key(0))
    assert str(jax.tree.structure(params)) == str(jax.tree.structure(ours))
    assert jax.tree.map(lambda x: (x.shape, x.dtype), params) == jax.tree.map(lambda x: (x.shape, x.dtype), ours)


def test_there_and_back_is_exact(published, tmp_path):
    ours, back = tmp_path / "ours.safetensors", tmp_path / "back" / "model.safetensors"
    convert(TINY, ours)
    config, params = load_weights(ours)
    assert config == published[0]
    jax.tree.map(np.testing.assert_array_equal, params, published[1])
    convert(ours, back)
    before, after = safetensors.numpy.load_file(TINY), safetensors.numpy.load_file(back)
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert tensor.shape == after[name].shape
        assert tensor.dtype == after[name].dtype
        if not NEVER_READ.fullmatch(name):
            np.testing.assert_array_equal(tensor, after[name], err_msg=name)
    assert json.loads((back.parent / "config.json").read_text()) == json.loads((DATA / "tiny_config.json").read_text())
    config, params = load_published(back)
    assert config == published[0]
    jax.tree.map(np.testing.assert_array_equal, params, published[1])
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "config.json",
        "model.safetensors",
        "ours.safetensors",
    ]


def test_every_published_tensor_is_accounted_for():
    names = json.loads((DATA / "names_135m.json").read_text())
    places = published_places(preset("135m"))
    never_read = {name for name in names if NEVER_READ.fullmatch(name)}
    assert len(never_read) == 18
    assert places.keys().isdisjoint(never_read | {HEAD})
    assert names.keys() == places.keys() | never_read | {HEAD}
    for name, place in places.items():
        assert place.published_shape == tuple(names[name]), name
    assert names[HEAD] == names[TABLE]
    used = sum(np.prod(names[name]) for name in places)
    assert used == 126_874_368
    assert used == num_params(jax.eval_shape(lambda key: initialise(preset("135m"), key), jax.random.key(0)))
    stored = sum(np.prod(shape) for name, shape in names.items() if name != HEAD)
    assert stored == 135_742_464


def test_sizes_of_the_published_135m_come_from_shapes_alone(tmp_path):
    names = {name: tuple(shape) for name, shape in json.loads((DATA / "names_135m.json").read_text()).items()}
    assert published_config(tmp_path / "model.safetensors", names) == ModelConfig()  # no JSON beside it


def test_sizes_in_a_full_configuration_are_found(broken, published):
    path = broken({}, {"model_type": "t5gemma", "encoder": {"head_dim": 8, "hidden_size": 16}, "hidden_size": 16})
    assert load_published(path)[0] == published[0]


def test_a_stored_head_is_read_as_the_tied_one(broken, published):
    table = safetensors.numpy.load_file(TINY)[TABLE]
    _, params = load_published(broken({HEAD: table}))
    jax.tree.map(np.testing.assert_array_equal, params, published[1])
    with pytest.raises(PianistError, match=r"lm_head\.out_proj\.weight is not model\.decoder\.embed_tokens"):
        load_published(broken({HEAD: table + 1}))


def test_bfloat16_files_are_read(tmp_path, published):
    import ml_dtypes

    tensors = {name: x.astype(ml_dtypes.bfloat16) for name, x in safetensors.numpy.load_file(TINY).items()}
    safetensors.numpy.save_file(tensors, tmp_path / "tiny.safetensors")
    shutil.copy(DATA / "tiny_config.json", tmp_path)
    _, params = load_published(tmp_path / "tiny.safetensors")
    rounded = jax.tree.map(lambda x: x.astype(ml_dtypes.bfloat16).astype(np.float32), published[1])
    jax.tree.map(np.testing.assert_array_equal, params, rounded)


NORM = "model.decoder.layers.1.post_cross_attn_layernorm.weight"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({NORM: None}, r"without tensor model\.decoder\.layers\.1\.post_cross_attn_layernorm\.weight;"),
        ({"model.decoder.norm.bias": np.zeros(16)}, r"unknown tensor model\.decoder\.norm\.bias;"),
        ({"embeddings.extra.weight": np.zeros(16)}, r"unknown tensor embeddings\.extra\.weight;"),
        (
            {"model.encoder.layers.4.mlp.up_proj.weight": np.zeros((32, 16))},
            r"without tensors .* and \d+ more;",
        ),
        ({NORM: np.zeros(17)}, r"post_cross_attn_layernorm\.weight \(17,\) for \(16,\);"),
        ({NORM: np.full(16, np.nan)}, r"post_cross_attn_layernorm\.weight is not all finite numbers"),
        ({"model.encoder.layers.0.self_attn.q_proj.weight": None}, r"without a matrix .*q_proj"),
        ({"model.encoder.embeddings.word_embeddings.weight": None}, r"without a matrix .*word_embeddings"),
    ],
)
def test_missing_and_unknown_tensors_are_named(broken, changes, message):
    with pytest.raises(PianistError, match=message) as error:
        load_published(broken(changes))
    assert "\n" not in str(error.value)
    assert "tiny.safetensors" in str(error.value)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({}, r"are no heads of 128, as published; put its JSON beside it"),
        ({"head_dim": 7}, r"are no heads of 7, as tiny_config\.json says"),
        ({"head_dim": 8, "hidden_size": 32}, r"hidden_size is 16, but tiny_config\.json says 32"),
        ({"head_dim": 8, "encoder_layers_num": 2}, r"encoder_layers_num is 3, but tiny_config\.json says 2"),
        ([8], r"tiny_config\.json: no JSON of sizes"),
    ],
)
def test_a_json_that_does_not_fit_is_named(broken, sizes, message):
    with pytest.raises(PianistError, match=message):
        load_published(broken({}, sizes))


def test_unusable_files(tmp_path, published):
    with pytest.raises(PianistError, match="no such file"):
        convert(tmp_path / "absent.safetensors", tmp_path / "out")
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(TINY.read_bytes()[:5000])
    with pytest.raises(PianistError, match="damaged or not a safetensors file"):
        convert(damaged, tmp_path / "out")
    same = tmp_path / "same.safetensors"
    shutil.copy(TINY, same)
    with pytest.raises(PianistError, match="overwritten by its own conversion"):
        convert(same, same)
    occupied = tmp_path / "occupied"
    occupied.write_text("a file where a folder should be")
    with pytest.raises(PianistError, match="cannot be written"):
        save_published(occupied / "model.safetensors", *published)


def test_models_without_a_published_layout_are_refused(tmp_path, published):
    config, params = published
    target = tmp_path / "model.safetensors"
    for other in (
        preset("note-tiny"),
        dataclasses.replace(config, compressed=False),
        dataclasses.replace(config, query_scale=1.0),
    ):
        with pytest.raises(PianistError, match="no published layout"):
            save_published(target, other, params)
    for layers in (2, 4):
        with pytest.raises(PianistError, match=r"encoder\.blocks\.\S+ .* not as the sizes tell"):
            save_published(target, dataclasses.replace(config, encoder_layers=layers), params)
    with pytest.raises(PianistError, match=r"weight encoder\.norm\.weight not as"):
        save_published(target, config, params | {"encoder": {"blocks": params["encoder"]["blocks"]}})
    not_finite = jax.tree.map(lambda x: np.full_like(x, np.inf), params)
    with pytest.raises(PianistError, match="not finite; nothing was written"):
        save_published(target, config, not_finite)
    assert not list(tmp_path.iterdir())


def test_our_own_file_is_told_by_its_content_not_its_name(tmp_path, published):
    ours = tmp_path / "anything"
    save_weights(ours, *published, dtype="float32", metadata={"data": "none"})
    convert(ours, tmp_path / "out.safetensors")
    with safetensors.safe_open(tmp_path / "out.safetensors", framework="np") as file:
        assert TABLE in file.keys()  # noqa: SIM118
    assert (tmp_path / "out_config.json").exists()
