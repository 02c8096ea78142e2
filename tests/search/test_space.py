"""Search spaces: what must work beside what must be refused, and that every trial is a configuration."""

from dataclasses import replace

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xattn_bmd.config import CompareConfig, ModelConfig
from xattn_bmd.errors import ConfigError
from xattn_bmd.search.named_spaces import NAMES, named_space, opened_space
from xattn_bmd.search.setting_path import searchable, setting, with_settings
from xattn_bmd.search.space import SearchSpace

QUICK = CompareConfig.from_preset("quick")
WIDTH = {"choices": [32, 64]}

MUST_FAIL = [
    ({"model.widht": WIDTH}, "did you mean 'model.width'"),
    ({"folds": {"low": 2, "high": 5}}, "'folds' is none of them"),
    ({"seed": {"low": 0, "high": 5}}, "'seed' is none of them"),
    ({"image.window": {"low": 0, "high": 1}}, "'image.window' is none of them"),
    ({}, "leaves no choice"),
    ({"model.width": {"choices": [64]}}, "leaves no choice"),
    ({"model.width": {"choices": []}}, "the list is empty"),
    ({"model.width": {"choices": [64, 64]}}, "repeats one"),
    ({"model.width": {"choices": [64, "128"]}}, "each choice is a whole"),
    ({"model.width": {"choices": [64, 65.5]}}, "each choice is a whole"),
    ({"model.layer_weight": {"choices": [0, 1]}}, "each choice is a switch"),
    ({"model.width": {"choices": [32, 64], "low": 1}}, "stands alone"),
    ({"model.dropout": {"low": 0.5, "high": 0.1}}, "low lies below high"),
    ({"model.dropout": {"low": 0.1, "high": 0.1}}, "low lies below high"),
    ({"model.dropout": {"low": 0.1}}, "name both ends"),
    ({"model.dropout": {"low": 0.1, "high": "many"}}, "a number"),
    ({"model.dropout": {"low": 0.1, "high": float("nan")}}, "a number"),
    ({"model.dropout": {"low": 0.0, "high": 0.5, "log": True}}, "begins above 0"),
    ({"model.dropout": {"low": 0.0, "high": 0.5, "step": 0.9}}, "within the range"),
    ({"model.layers": {"low": 1, "high": 2.5}}, "whole numbers"),
    ({"model.backbone": {"low": 1, "high": 2}}, "list its choices"),
    ({"model.dropout": {"low": 0.0, "high": 0.5, "stop": 1}}, "'stop'"),
    ({"model.dropout": 0.5}, "mapping with low and high"),
    ({"model.width": WIDTH, "model.layers": {"low": 1, "high": 4, "when": {"models": ["xattn"]}}}, "stands before"),
    ({"model.layers": {"low": 1, "high": 4, "when": {"model.width": [64]}}, "model.width": WIDTH}, "stands before"),
    ({"model.width": WIDTH, "model.layers": {"low": 1, "high": 4, "when": {"model.width": [63]}}}, "[63] was given"),
    ({"model.width": WIDTH, "model.layers": {"low": 1, "high": 4, "when": "width"}}, "when is a mapping"),
    ("model.width", "a mapping of settings"),
]


@pytest.mark.parametrize(("entries", "said"), MUST_FAIL)
def test_bad_space_is_refused_in_one_sentence(entries, said):
    with pytest.raises(ConfigError) as refused:
        SearchSpace.from_dict(entries)
    assert said in str(refused.value)


UNFIT = [
    ({"model.width": {"choices": [16, 32]}}, "is 64 in it|is 64 and the space"),
    ({"model.width": {"choices": [32, 64], "default": 48}}, "is 48 and the space"),
    ({"training.learning_rate": {"low": 0.001, "high": 5.0}}, "training.learning_rate=5.0 cannot"),
    ({"model.width": {"choices": [64, 65]}}, "model.width=65 cannot"),
    ({"model.head": {"choices": ["point", "gaussian"]}}, "'gaussian' cannot"),
    ({"training.loss": {"choices": ["mse", "pinball"], "default": "pinball"}}, "default configuration that can be run"),
]


@pytest.mark.parametrize(("entries", "said"), UNFIT)
def test_space_that_does_not_fit_the_configuration_is_refused(entries, said):
    with pytest.raises(ConfigError, match=said):
        SearchSpace.from_dict(entries).check(QUICK)


def test_a_value_that_only_some_companions_allow_is_possible():
    head = {"model.head": {"choices": ["point", "gaussian"]}}
    losses = {"training.loss": {"choices": ["weighted_smooth_l1", "gaussian_nll"]}}
    SearchSpace.from_dict(head | losses).check(QUICK)


def test_unknown_name_and_damaged_file_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'fusion'"):
        named_space("fusoin")
    broken = tmp_path / "space.yaml"
    broken.write_text("model.width: [")
    with pytest.raises(ConfigError, match="cannot be read"):
        opened_space(broken)
    with pytest.raises(ConfigError, match="cannot be read"):
        opened_space(str(tmp_path / "absent.yaml"))


def test_a_file_gives_the_same_space_as_its_content(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("training.learning_rate: {low: 1e-4, high: 1e-2, log: true}\n")  # YAML reads 1e-4 as text
    read = opened_space(path)
    assert read == SearchSpace.from_dict({"training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}})
    assert SearchSpace.from_dict(read.to_dict()).digest == read.digest


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_trial_of_a_named_space_is_a_configuration(name, seed):
    space = named_space(name)
    if not space.models:
        space = space.with_models(("xattn",))
    space.check(QUICK)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    values = space.values(study.ask())
    config = with_settings(QUICK, values)
    assert {path: setting(config, path) for path in values} == values
    for parameter in space.parameters:
        assert parameter.exists(values) == (parameter.name in values)
        if parameter.name not in values and parameter.name != "models":
            assert setting(config, parameter.name) == setting(QUICK, parameter.name)


def test_a_parameter_exists_only_with_the_values_it_depends_on():
    space = named_space("fusion")
    layered, plain = ({"models": name, "model.width": 64} for name in ("xattn", "film"))
    exists = {parameter.name: parameter.exists for parameter in space.parameters}
    assert exists["model.layers"](layered) and not exists["model.layers"](plain)
    fixed = optuna.trial.FixedTrial({"models": "film", "model.width": 32})
    assert space.values(fixed) == {"models": "film", "model.width": 32}


def test_the_first_trial_is_the_configuration_from_which_the_search_begins():
    base = replace(QUICK, models=("xattn",))
    for name in NAMES:
        space = named_space(name)
        assert with_settings(base, space.defaults(base)) == base


def test_restricting_the_models_drops_what_depends_on_the_others():
    space = named_space("fusion").with_models(("film", "gated"))
    assert space.models == ("film", "gated")
    assert {parameter.name for parameter in space.parameters} == {"models", "model.width"}


def test_every_searchable_setting_can_be_read_and_changed():
    for path in searchable():
        value = setting(QUICK, path)
        assert with_settings(QUICK, {path: value} if path != "models" else {}) == QUICK
    changed = with_settings(QUICK, {"training.augment.noise": 0.5, "model.width": 128})
    assert changed.training.augment.noise == 0.5 and changed.model == replace(QUICK.model, width=128)
    assert isinstance(changed.model, ModelConfig)


def test_the_training_of_volumetric_density_is_searched_in_its_own_unit():
    areal, volumetric = (
        {each.name: each.values for each in opened_space("training", unit=unit).parameters}
        for unit in ("g/cm2", "mg/cm3")
    )
    preset = CompareConfig.from_preset("ct_quick").training.beta
    assert (areal["training.beta"].low, areal["training.beta"].high) == (0.01, 0.2)
    assert volumetric["training.beta"].low < preset < volumetric["training.beta"].high
    dropped = set(areal["training.loss"].choices) - set(volumetric["training.loss"].choices)
    assert dropped == {"balanced_mse"} and volumetric["training.loss"].choices
