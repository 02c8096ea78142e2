import pytest
import yaml

from tests.data.made_cohort import YAML
from xattn_bmd.data.roles import CohortRoles
from xattn_bmd.errors import ConfigError


def roles_of(tmp_path, text):
    path = tmp_path / "cohort.yaml"
    path.write_text(text, encoding="utf-8")
    return CohortRoles.from_yaml(path)


MINIMUM = "id: scan\npatient: person\n"


def test_reads_everything_that_simulate_writes(tmp_path):
    roles = roles_of(tmp_path, YAML)
    assert (roles.id, roles.patient, roles.image, roles.site, roles.side) == (
        "radiograph_id",
        "patient_id",
        "image",
        "site",
        "side",
    )
    assert roles.target is not None
    assert (roles.target.column, roles.target.unit, roles.target.range) == ("fn_bmd", "g/cm2", (0.2, 2.0))
    assert roles.numeric[0].range == (18.0, 110.0)
    assert roles.numeric[-1].range is None and roles.numeric[-1].unit is None
    assert roles.schema.cardinalities == (2, 3)
    assert roles.stratify == ("sex",) and roles.simulated is True
    assert roles.reference == "lunar_femoral_neck_white_female"


def test_dictionary_round_trip_also_through_yaml(tmp_path):
    roles = roles_of(tmp_path, YAML)
    assert CohortRoles.from_dict(roles.to_dict()) == roles
    assert roles_of(tmp_path, yaml.safe_dump(roles.to_dict(), sort_keys=False)) == roles


def test_round_trip_of_the_smallest(tmp_path):
    roles = roles_of(tmp_path, MINIMUM)
    assert roles == CohortRoles(id="scan", patient="person")
    assert CohortRoles.from_dict(roles.to_dict()) == roles


def test_words_that_yaml_would_turn_into_other_things_stay_words(tmp_path):
    roles = roles_of(tmp_path, MINIMUM + "categorical:\n  fracture: [no, yes]\n  code: [01, 1e3]\n")
    assert roles.categorical == (("fracture", ("no", "yes")), ("code", ("01", "1e3")))


@pytest.mark.parametrize("unit", ["g/cm2", "g/cm²", "g/cm^2", "mg/cm3", "mg/cm³"])
def test_spellings_of_the_units(tmp_path, unit):
    target = roles_of(tmp_path, MINIMUM + f"target: {{column: bmd, unit: {unit}}}\n").target
    assert target is not None
    assert target.unit == ("g/cm2" if unit.startswith("g") else "mg/cm3")
    assert target.range == ((0.2, 2.0) if unit.startswith("g") else (-50.0, 500.0))


@pytest.mark.parametrize("empty", ["age: {}", "age:", "age: null", "age: ~"])
def test_numeric_details_may_be_empty(tmp_path, empty):
    assert roles_of(tmp_path, MINIMUM + f"numeric:\n  {empty}\n").schema.numeric == ("age",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MINIMUM + "catgorical: {sex: [a, b]}", ["'catgorical'", "did you mean 'categorical'"]),
        (MINIMUM + "numeric: {age: {units: years}}", ["numeric.age", "did you mean 'unit'"]),
        (MINIMUM + "target: {colum: bmd}", ["target", "did you mean 'column'"]),
        (MINIMUM + "target: {unit: g/cm2}", ["target.column"]),
        (MINIMUM + "target: {column: bmd, unit: mg/cm2}", ["'mg/cm2'", "1000"]),
        (MINIMUM + "numeric: {age: {range: [80, 20]}}", ["numeric.age", "[80, 20]"]),
        (MINIMUM + "numeric: {age: {range: [1, 2, 3]}}", ["numeric.age", "two numbers"]),
        (MINIMUM + "numeric: {age: {range: [nan, 3]}}", ["numeric.age"]),
        (MINIMUM + "categorical: {sex: [a]}", ["categorical.sex", "two or more"]),
        (MINIMUM + "categorical: {sex: [a, a]}", ["categorical.sex", "different"]),
        (MINIMUM + "categorical: {sex: a}", ["categorical.sex", "list"]),
        (MINIMUM + "numeric: {sex: {}}\ncategorical: {sex: [a, b]}", ["sex", "twice"]),
        (MINIMUM + "target: {column: bmd}\nnumeric: {bmd: {}}", ["bmd", "target"]),
        (MINIMUM + "categorical: {person: [a, b]}", ["person", "Ids"]),
        (MINIMUM + "categorical: {sex: [a, b]}\nstratify: [sx]", ["'sx'", "did you mean 'sex'"]),
        (MINIMUM + "simulated: maybe", ["simulated", "'maybe'"]),
        ("patient: person", ["id", "compare"]),
        ("", ["id", "patient", "compare"]),
        ("- a\n- b", ["cohort.yaml"]),
        ("id: [", ["YAML", "line"]),
    ],
)
def test_faults_are_named(tmp_path, text, words):
    with pytest.raises(ConfigError) as caught:
        roles_of(tmp_path, text)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_absent_file_shows_how_to_write_one(tmp_path):
    with pytest.raises(ConfigError, match=r"target: \{column: fn_bmd, unit: g/cm2\}"):
        CohortRoles.from_yaml(tmp_path / "cohort.yaml")


def test_the_example_in_the_message_is_itself_valid(tmp_path):
    from xattn_bmd.data.checks.role_values import MINIMAL_EXAMPLE

    assert roles_of(tmp_path, MINIMAL_EXAMPLE).schema.names == ("age", "sex")


def test_a_bare_truth_value_given_from_python_is_refused():
    with pytest.raises(ConfigError, match="quotes"):
        CohortRoles.from_dict({"id": "a", "patient": "b", "categorical": {"fracture": [False, True]}})


def test_site_may_stratify():
    roles = CohortRoles.from_dict({"id": "a", "patient": "b", "site": "centre", "stratify": ["centre"]})
    assert roles.stratify == ("centre",)
