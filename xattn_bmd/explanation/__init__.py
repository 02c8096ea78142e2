"""Explanations as numbers first: where a model looks, what moved its estimate, and whether a broken one would too."""
