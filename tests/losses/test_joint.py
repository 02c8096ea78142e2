import numpy as np
import pytest
import torch

from xattn_bmd.bone.qct import qct_class
from xattn_bmd.bone.reference import REFERENCES
from xattn_bmd.bone.tscore import density_at, t_score, who_class
from xattn_bmd.config import TrainingConfig
from xattn_bmd.losses.joint import DensityClasses, class_loss


@pytest.mark.parametrize("reference", REFERENCES.values(), ids=str)
def test_classes_of_single_precision_densities_are_those_of_the_tables_also_on_the_cut_offs(reference):
    areal = reference.unit == "g/cm2"
    step = 1e-4 if areal else 0.1
    density = np.arange(4000 if areal else 3000) * step
    if areal:
        density = np.append(density, density_at([-1.0, -2.5], reference=reference))
    expected = who_class(t_score(density, reference=reference)) if areal else qct_class(density)
    classes = DensityClasses.of(reference)
    found = classes(torch.from_numpy(density.astype(np.float32))).numpy().astype(int)
    assert np.array(classes.names)[found].tolist() == expected.tolist()
    assert set(found) <= {0, 1, 2} and len(set(expected)) >= 2


def test_the_loss_of_the_ordinal_head_costs_more_for_a_class_further_away():
    classes = DensityClasses.of(REFERENCES["qct_lumbar_spine"])
    chances, measured = torch.tensor([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1]]).log(), torch.tensor([60.0, 100.0])
    found = float(class_loss(chances, measured, classes=classes, head="ordinal"))
    far = -(np.log(0.2 + 0.1) + np.log(0.1)) / 2
    near = -(np.log(0.2 + 0.1) + np.log(0.7 + 0.2)) / 2
    assert found == pytest.approx((far + near) / 2, rel=1e-6)
    plain = float(class_loss(chances, measured, classes=classes, head="classes"))
    assert plain == pytest.approx(-(np.log(0.1) + np.log(0.2)) / 2, rel=1e-6)


def test_the_default_weight_is_that_of_no_unit():
    assert TrainingConfig().class_weight == 1.0
