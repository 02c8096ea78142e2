"""The fit keeps the weights of its best epoch and says how each one went."""

import torch

from xattn_bmd import LocaliserConfig
from xattn_bmd.localise.detectors.detector import Boxes, Detector
from xattn_bmd.localise.detectors.fit import Sample, fit_detector


def test_the_weights_of_the_first_best_epoch_are_kept():
    torch.manual_seed(0)
    config = LocaliserConfig(backbone="test_resnet", width=32, size=64, epochs=4, batch_size=2)
    detector = Detector(labels=1, config=config)
    boxes = Boxes(torch.tensor([[8.0, 8, 40, 40]]), torch.tensor([0]))
    samples = [Sample(torch.rand(1, 64, 64), boxes) for _ in range(3)]
    scores, states, heard = iter([0.1, 0.5, 0.5, 0.2]), [], []

    def judge(fitted):
        assert not fitted.training
        states.append({name: value.clone() for name, value in fitted.state_dict().items()})
        return next(scores)

    courses = fit_detector(
        detector, samples, config=config, device=torch.device("cpu"), judge=judge, on_epoch=heard.append
    )
    assert [course["score"] for course in courses] == [0.1, 0.5, 0.5, 0.2] and heard == courses
    assert all(torch.equal(value, states[1][name]) for name, value in detector.state_dict().items())
    assert not all(torch.equal(value, states[3][name]) for name, value in detector.state_dict().items())
    assert not detector.training
