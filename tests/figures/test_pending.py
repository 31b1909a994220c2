"""Figures that wait for their data are whole: they load, and their pieces and columns suit `compute` and the rules."""

import inspect

import pytest

from figures.claims.rules import CLAIMS
from figures.making.registry import PENDING, figures_folder, is_pending, load

PATHS = sorted((figures_folder() / PENDING).glob("*.py"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_pending_figure_is_whole(path):
    module = load(path).source.module  # of a figure that draws the data of another, that one
    for scale, parameters in module.SCALES.items():
        pieces = module.cells(**parameters)
        inspect.signature(module.compute).bind(None, **pieces[0])
        assert len({str(piece) for piece in pieces}) == len(pieces) > 0, scale


def test_a_new_pending_figure_is_one_that_a_claim_waits_for():
    for path in PATHS:
        assert not is_pending(path.stem) or path.stem in {claim.figure for claim in CLAIMS}
