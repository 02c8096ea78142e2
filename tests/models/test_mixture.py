import torch

from tests.contracts.made_up import small_config
from tests.models.test_fusions import tokens
from xattn_bmd.models.fusions.mixture import MixtureFusion


def test_mixture_is_torchs_transformer_over_all_tokens():
    torch.manual_seed(0)
    fusion, (image, variables) = MixtureFusion(small_config()).eval(), tokens()
    tokens_BTD = torch.cat([image, variables], dim=1)
    for offer, attend, mlp in zip(fusion.offer, fusion.attend, fusion.mlp, strict=True):
        layer = torch.nn.TransformerEncoderLayer(
            16, 4, len(mlp[1].bias), activation="gelu", batch_first=True, norm_first=True
        ).eval()
        with torch.no_grad():
            layer.self_attn.in_proj_weight.copy_(torch.cat([attend.query.weight, offer.project.weight]))
            layer.self_attn.in_proj_bias.copy_(torch.cat([attend.query.bias, offer.project.bias]))
            layer.self_attn.out_proj.weight.copy_(attend.scale[:, None] * attend.output.weight)
            layer.self_attn.out_proj.bias.copy_(attend.scale * attend.output.bias)
        layer.linear1.load_state_dict(mlp[1].state_dict())
        layer.linear2.load_state_dict(mlp[4].state_dict())
        tokens_BTD = layer(tokens_BTD)
    expected = fusion.project(torch.cat([tokens_BTD[:, :9].mean(1), tokens_BTD[:, 9:].mean(1)], dim=-1))
    torch.testing.assert_close(fusion(image, variables).vector, expected, rtol=1e-4, atol=1e-6)


def test_one_variable_is_enough_for_mixture():
    assert MixtureFusion(small_config())(torch.rand(2, 9, 16), torch.rand(2, 1, 16)).vector.shape == (2, 16)
