import torch

from tests.contracts.made_up import small_config
from tests.models.test_fusions import tokens
from xattn_bmd.models.fusions.bilinear import BilinearFusion


def test_bilinear_is_a_sum_of_weighted_products_where_tanh_is_straight():
    fusion = BilinearFusion(small_config()).double().eval()
    image, variables = (side.double() for side in tokens())
    with torch.no_grad():
        for side in (fusion.image, fusion.record):
            side.weight.mul_(1e-2)
            side.bias.mul_(1e-2)
    one = torch.ones(2, 1).double()
    x, y = (torch.cat([fusion.norm(side.mean(1)), one], dim=-1) for side in (image, variables))
    u, v = (torch.cat([side.weight, side.bias[:, None]], dim=-1) for side in (fusion.image, fusion.record))
    form = torch.einsum("de,ei,ej->dij", fusion.project[-1].weight, u, v)
    found = fusion(image, variables).vector - fusion.project[-1].bias
    torch.testing.assert_close(found, torch.einsum("bi,dij,bj->bd", x, form, y), rtol=0, atol=1e-8)
    assert found.abs().max() > 1e-5


def test_bilinear_with_a_silent_side_says_nothing_of_the_other():
    fusion, (image, variables) = BilinearFusion(small_config()).eval(), tokens()
    with torch.no_grad():
        fusion.record.bias.zero_()
        fusion.record.weight.zero_()
    assert torch.equal(fusion(image, variables).vector, fusion.project[-1].bias.expand(2, -1))
