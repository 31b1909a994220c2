"""Verdicts follow from intervals alone; every rule can come out either way; the tables of README and gallery are fresh."""

import numpy as np
import pandas as pd
import pytest

from figures import claims
from figures.claims import NOT, PARTLY, REPRODUCED, UNDECIDED, UNTESTED, Claim, Part, judge, rules
from figures.claims.functional_shares import COLUMNS, best_other_share, shares
from figures.making import gallery
from mrntk import MrntkError
from mrntk.prediction.functionals import FUNCTIONALS

CLEAR, UNCLEAR = [1.0, 1.1, 0.9, 1.0], [-1.0, 1.1, 0.2, -0.4]


@pytest.mark.parametrize(
    "values, options, outcome",
    [
        (CLEAR, {"low": 0}, "holds"),
        (CLEAR, {"high": 0}, "fails"),
        (UNCLEAR, {"low": 0}, "undecided"),
        (CLEAR, {"low": 0.9}, "undecided"),
        (UNCLEAR, {"low": 0, "closed": True}, "holds"),  # no effect was claimed, none is shown
        (CLEAR, {"low": 0, "closed": True}, "holds"),
        ([-1.0, -1.1, -0.9], {"low": 0, "closed": True}, "fails"),
        (CLEAR, {"low": 0, "high": 2}, "holds"),
        (CLEAR, {"low": -0.5, "high": 0.5}, "fails"),
        (CLEAR, {"low": -1, "high": 1}, "undecided"),
        ([1.0, 1.0, 1.0], {"low": 0.999}, "holds"),
    ],
)
def test_outcome_of_a_part(values, options, outcome):
    part = Part("it", values, **options)
    assert part.outcome == outcome and f"{np.mean(values):+.3g}" in str(part)


def claim(*outcomes):
    sides = {True: {"low": 0}, False: {"high": 0}, None: {"low": 1}}  # None: its interval lies on both sides
    parts = [Part(str(i), CLEAR, **sides[outcome]) for i, outcome in enumerate(outcomes)]
    return Claim("it", "It is so", "tiny", "whatever", lambda data: parts)


@pytest.mark.parametrize(
    "outcomes, verdict",
    [
        ((True, True), REPRODUCED),
        ((True, False), PARTLY),
        ((True, None), PARTLY),
        ((False, False), NOT),
        ((False, None), NOT),
        ((None, None), UNDECIDED),
        ((), UNTESTED),
    ],
)
def test_verdict_of_a_claim(outcomes, verdict):
    assert judge(claim(*outcomes), pd.DataFrame()).verdict == verdict


def test_missing_data_are_no_verdict(monkeypatch):
    def missing(name):
        raise MrntkError("there are none yet.")

    monkeypatch.setattr(claims, "committed_data", missing)
    found = judge(claim(True))
    assert found.verdict == UNTESTED and found.reason == "there are none yet."
    assert "not testable here" in claims.table([found]) and "there are none yet." in claims.report([found])


def test_report_and_table_name_parts_rule_and_figure():
    found = [judge(claim(True, False), pd.DataFrame())]
    assert "PARTLY REPRODUCED: It is so" in claims.report(found) and "rule: whatever" in claims.report(found)
    assert "| It is so | **partly reproduced** | 1 hold, 1 fail | [tiny](figures/README.md#tiny) |" in claims.table(
        found
    )


def sweep(sign, noise=0.02, losses=("mse", "ce")):
    """Data of the depth sweep whose target loss changes as exp(sign * depth / 4)."""
    rng, rows = np.random.default_rng(0), []
    for family in ("dnn", "cnn"):
        for loss in losses:
            for name in ("fc", "vp", "vp_fc"):
                for depth in (1, 2, 3, 5):
                    for seed in range(4):
                        value = np.exp(sign * depth / 4 + noise * rng.normal())
                        row = {"family": family, "loss": loss, "map": name, "depth": depth, "seed": seed}
                        row |= {"source_task": "s", "task": "t", "train_loss": value, "test_loss": value + 1}
                        row |= {"source_test_loss": value, **dict.fromkeys(FUNCTIONALS, 1.0), "ks_lambda_min": 1.0}
                        row |= {"lambda_min": 1 / value, "effective_rank": rng.normal()}
                        rows.append(row)
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    "rule, falling, rising",
    [
        (rules.fc_falls, REPRODUCED, NOT),
        (rules.vp_does_not, NOT, REPRODUCED),
        (rules.vp_fc_between, PARTLY, PARTLY),
        (rules.source_improves, REPRODUCED, NOT),
        (rules.ce_like_mse, REPRODUCED, REPRODUCED),
        (rules.spectrum_governs, REPRODUCED, REPRODUCED),
        (rules.lambda_min_does_it, REPRODUCED, REPRODUCED),
    ],
)
def test_rules_on_losses_that_fall_or_rise_with_depth(rule, falling, rising):
    for sign, verdict in ((-1, falling), (1, rising)):
        assert judge(Claim("", "", "", "", rule), sweep(sign)).verdict == verdict


def test_losses_that_part_ways_are_seen():
    data = pd.concat([sweep(-1, losses=("mse",)), sweep(1, losses=("ce",))])
    assert judge(Claim("", "", "", "", rules.ce_like_mse), data).verdict == NOT


def test_a_functional_of_noise_explains_nothing_and_is_not_chosen():
    data = sweep(-1)
    data = data[data["map"] == "fc"]
    found = shares(data)
    assert list(found.columns) == list(COLUMNS) and (found["lambda_min"] > 0.85).all()
    assert found["effective_rank"].mean() < 0.3 and (found["alignment"] == 0).all()
    assert (best_other_share(data, without=()) > 0.85).all()
    assert (best_other_share(data, without=("lambda_min",)) < 0.5).all()


def test_lambda_min_that_does_not_vary_is_not_the_functional():
    data = sweep(-1).assign(lambda_min=0.0, alignment=lambda d: d["train_loss"])
    found = judge(Claim("", "", "", "", rules.lambda_min_does_it), data)
    assert found.verdict == NOT and {part.outcome for part in found.parts} == {"fails"}


def test_the_gap():
    assert judge(Claim("", "", "", "", rules.gap_constant), sweep(-1)).verdict == REPRODUCED
    growing = sweep(-1).assign(test_loss=lambda d: d["train_loss"] + d["depth"])
    assert judge(Claim("", "", "", "", rules.gap_constant), growing).verdict == NOT


def test_every_claim_names_a_figure_and_has_the_id_of_its_function(root):
    assert len({one.id for one in rules.CLAIMS}) == len(rules.CLAIMS) >= 17
    for one in rules.CLAIMS:
        assert (root / "figures" / f"{one.figure}.py").exists(), one.id
        assert getattr(rules, one.id) is one.parts
    lines = [one.parts.__code__.co_firstlineno for one in rules.CLAIMS]
    assert lines == sorted(lines)


def test_verdicts_come_from_at_least_five_seeds():
    for one in claims.verdicts():
        assert one.verdict != UNTESTED, one.reason
        assert all(len(part.values) >= 5 for part in one.parts), one.claim.id


def test_pages_are_fresh():
    """README's table and the gallery are what `mrntk claims --write` writes."""
    for path, text in gallery.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is stale: run `mrntk claims --write`"
    assert gallery.BEGIN in text and gallery.END in text


def test_the_gallery_names_every_figure_in_order(root):
    from figures.making import registry

    assert set(gallery.ORDER) == set(registry.discover())
