"""Settings: presets, round trip, refusals."""

from dataclasses import replace

import pytest
import yaml

from xattn_bmd.config import HEAD_LOSSES, CompareConfig, ModelConfig, TrainingConfig, from_dict, load_config, to_dict
from xattn_bmd.errors import ConfigError


def test_paper_preset_is_what_the_source_states():
    paper = CompareConfig.from_preset("paper")
    assert (paper.model.backbone, paper.model.layers, paper.model.heads) == ("resnet34", 3, 4)
    assert (paper.image.size, paper.training.loss, paper.folds) == (224, "weighted_smooth_l1", 10)


@pytest.mark.parametrize("preset", ["quick", "paper", "ct_quick"])
def test_round_trip_through_yaml(preset):
    config = CompareConfig.from_preset(preset)
    assert from_dict(yaml.safe_load(yaml.safe_dump(to_dict(config)))) == config


def test_unknown_preset_is_refused():
    with pytest.raises(ConfigError, match="'fast'"):
        CompareConfig.from_preset("fast")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"folds": 1}, "folds must be at least 2, but 1"),
        ({"repeats": 0}, "repeats must be at least 1"),
        ({"protocol": "leaky"}, "protocol is one of"),
        ({"inner_fraction": 0.9}, "inner_fraction must lie between"),
        ({"model": ModelConfig(width=30, heads=4)}, "multiple of model.heads"),
        ({"training": TrainingConfig(loss="huber")}, "training.loss is one of"),
        ({"model": ModelConfig(head="beta")}, "model.head is one of"),
        ({"training": TrainingConfig(beta=0.0)}, "training.beta must lie between"),
        ({"training": TrainingConfig(batch_size=1)}, "training.batch_size must be at least 2"),
    ],
)
def test_impossible_values_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        replace(CompareConfig(), **changes)


def _with(head, loss):
    return CompareConfig(model=ModelConfig(head=head), training=TrainingConfig(loss=loss))


@pytest.mark.parametrize(("head", "loss"), [(head, loss) for head, losses in HEAD_LOSSES.items() for loss in losses])
def test_a_head_and_a_loss_that_fit_survive_yaml(head, loss):
    config = _with(head, loss)
    assert from_dict(yaml.safe_load(yaml.safe_dump(to_dict(config)))) == config


@pytest.mark.parametrize(
    ("head", "loss", "fitting"),
    [
        ("gaussian", "weighted_smooth_l1", "gaussian_nll"),
        ("gaussian", "pinball", "gaussian_nll"),
        ("quantile", "weighted_smooth_l1", "pinball"),
        ("quantile", "gaussian_nll", "pinball"),
        ("point", "gaussian_nll", "weighted_smooth_l1"),
        ("point", "pinball", "weighted_smooth_l1"),
    ],
)
def test_a_head_and_a_loss_that_do_not_fit_are_refused_with_the_loss_that_does(head, loss, fitting):
    with pytest.raises(ConfigError, match=f"'{loss}' was given; set training.loss to '{fitting}'"):
        _with(head, loss)


def test_a_settings_file_that_names_a_head_alone_says_which_loss_to_set(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("model: {head: quantile}\n")
    with pytest.raises(ConfigError, match=r"set training\.loss to 'pinball'"):
        load_config(path)
    path.write_text("model: {head: quantile}\ntraining: {loss: pinball}\n")
    assert load_config(path).model.head == "quantile"


def test_unknown_key_in_a_settings_file_is_refused(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("training: {epoch: 3}\n")
    with pytest.raises(ConfigError, match="epoch"):
        load_config(path)


def test_settings_file_keeps_defaults_for_the_rest(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("training: {epochs: 3}\nfolds: 4\n")
    assert load_config(path) == CompareConfig(folds=4, training=TrainingConfig(epochs=3))


@pytest.mark.parametrize("content", ["- a\n- b\n", "{unclosed", ""])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, content):
    path = tmp_path / "config.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match="YAML"):
        load_config(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("folds: 2.5", "folds is a whole number"),
        ("folds: true", "folds is a whole number"),
        ("image: {window: 3}", "image.window is a list of 2"),
        ("models: xattn", "models is a list"),
        ("models: [1]", r"models is a word"),
        ("training: {augment: {noise: x}}", "augment.noise is a number"),
        ("model: 3", "model is a mapping"),
        ("image:", "image is a mapping"),
        ("training: {precision: '8'}", "training.precision is one of"),
        ("model: {layer_weight: 0}", "model.layer_weight is true or false"),
        ("model: {key_value_updater: without}", "model.key_value_updater is true or false"),
    ],
)
def test_values_of_the_wrong_kind_are_refused(tmp_path, text, words):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_config(path)


def test_numbers_that_yaml_reads_as_text_are_numbers(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("training: {learning_rate: 1e-4, epochs: '10'}\nreference: null\n")
    config = load_config(path)
    assert (config.training.learning_rate, config.training.epochs, config.reference) == (1e-4, 10, None)


def test_cross_attention_is_whole_unless_a_part_is_switched_off(tmp_path):
    settings = to_dict(CompareConfig())
    for switch in ("key_value_updater", "layer_weight"):
        del settings["model"][switch]  # as a file from before the switches
    assert from_dict(settings) == CompareConfig()
    path = tmp_path / "config.yaml"
    path.write_text("model: {key_value_updater: false}\n")
    assert load_config(path).model == ModelConfig(key_value_updater=False)
