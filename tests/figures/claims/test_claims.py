"""Verdicts follow from intervals alone; every rule can come out either way; the tables of README and gallery are fresh."""

import numpy as np
import pandas as pd
import pytest

from figures import claims
from figures.claims import NOT, PARTLY, REPRODUCED, UNDECIDED, UNTESTED, Claim, Part, described, earlier, judge, rules
from figures.claims.functional_shares import BASELINES, COLUMNS, best_share, shares
from figures.making import gallery
from figures.making.registry import PENDING, is_pending
from mrntk import MrntkError

CLEAR, UNCLEAR = [1.0, 1.1, 0.9, 1.0, 1.0], [-1.0, 1.1, 0.2, -0.4, 0.1]


@pytest.mark.parametrize(
    "values, options, outcome",
    [
        (CLEAR, {"low": 0}, "holds"),
        (CLEAR, {"high": 0}, "fails"),
        (UNCLEAR, {"low": 0}, "undecided"),
        (CLEAR, {"low": 0.9}, "undecided"),
        (CLEAR, {"low": 0, "untestable": "the source learned nothing"}, "not testable"),
        (CLEAR, {"low": 0.75, "confidence": 0.99}, "holds"),
        (CLEAR, {"low": 0.75, "confidence": 0.999}, "undecided"),
        (CLEAR, {"low": 0, "high": 2}, "holds"),
        (CLEAR, {"low": -0.5, "high": 0.5}, "fails"),
        (CLEAR, {"low": -1, "high": 1}, "undecided"),
        ([1.0, 1.0, 1.0], {"low": 0.999}, "holds"),
    ],
)
def test_outcome_of_a_part(values, options, outcome):
    part = Part("it", values, **options)
    assert part.outcome == outcome
    assert options.get("untestable", f"{np.mean(values):+.3g}") in str(part)


def claim(*outcomes):
    # None: its interval lies on both sides
    sides = {True: {"low": 0}, False: {"high": 0}, None: {"low": 1}, "no": {"untestable": "it learned nothing"}}
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
        (("no", "no"), UNTESTED),
        (("no", True), REPRODUCED),
        (("no", False), NOT),
    ],
)
def test_verdict_of_a_claim(outcomes, verdict):
    assert judge(claim(*outcomes), pd.DataFrame()).verdict == verdict


def test_a_verdict_that_hangs_on_fragile_parts_says_so():
    firm, frail = Part("a", CLEAR, low=0), Part("b", CLEAR, low=0, fragile=("undecided without depth 1",))
    assert claims.Verdict(claim(True), REPRODUCED, (firm,)).words == REPRODUCED
    assert claims.Verdict(claim(True), REPRODUCED, (firm, frail)).words == f"{REPRODUCED}, fragile"


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


def test_parts_that_cannot_be_tested_for_one_reason_share_a_line():
    parts = [
        Part("A", CLEAR, low=0),
        *(Part(name, untestable="it learned nothing") for name in "BC"),
        Part("D", untestable="else"),
    ]
    assert claims.described(parts)[1:] == ["B; C: not testable here, it learned nothing", "D: not testable here, else"]


def test_parts_that_left_out_the_same_share_a_note():
    values = np.array([1.0, 2.0, 3.0])
    parts = [
        Part(name, values, low=0, left_out=words)
        for name, words in (("a", "depth 1"), ("b", "depth 1"), ("c", "depth 2"))
    ]
    lines = described([*parts, Part("d", untestable="none")])
    assert lines[0].endswith("[left out: see 1]") and lines[1].endswith("[left out: see 1]")
    assert (
        lines[2].endswith("[left out: depth 2]")
        and lines[3] == "(1) left out: depth 1"
        and lines[4].startswith("d: not")
    )


def test_a_claim_on_a_figure_to_come_says_so():
    waiting = [one for one in rules.CLAIMS if is_pending(one.figure)]
    for one in waiting:
        found = judge(one)
        assert found.verdict == UNTESTED and "its data are still to be computed" in found.reason
        assert f"| {one.figure}, to come |" in claims.table([found])


def cases(effects: dict) -> pd.DataFrame:
    """Four depths, two pairs, five seeds; the loss of a pair changes with depth as `effects` says."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "source_task": source,
            "task": "t",
            "depth": depth,
            "seed": seed,
            "y": np.exp(slope * depth + 0.01 * rng.normal()),
        }
        for source, slope in effects.items()
        for depth in (1, 2, 3, 5)
        for seed in range(5)
    )


def falls(data):
    from figures.making.statistics import slopes

    return [Part("it", slopes(data, "y", by=("source_task", "task")), high=0)]


FALLS = Claim("it", "It falls", "tiny", "whatever", falls, leave_out=("depth", "pair"))


def test_a_part_that_one_pair_decides_is_fragile():
    robust, fragile = (judge(FALLS, cases(effects)) for effects in ({"a": -0.3, "b": -0.2}, {"a": -0.3, "b": 0.2}))
    assert robust.verdict == fragile.verdict == REPRODUCED
    assert robust.parts[0].fragile == () and fragile.parts[0].fragile == ("fails without pair a → t",)
    assert fragile.decided == "1 hold (1 fragile)" and "FRAGILE: fails without pair a → t" in claims.report([fragile])


def test_a_part_that_the_shallowest_depth_decides_is_fragile():
    data = cases({"a": 0.05, "b": 0.05})
    first = data["depth"] == 1
    found = judge(FALLS, data.assign(y=data["y"].where(~first, 10 * data["y"])))
    assert found.verdict == REPRODUCED and "fails without depth 1" in found.parts[0].fragile


def functionals_of(decides: str, noise=0.02) -> pd.DataFrame:
    """Data of the depth sweep in which one functional decides the loss, and the others are noise."""
    rng, rows = np.random.default_rng(0), []
    for name in ("fc", "vp", "vp_fc"):
        for depth in (1, 2, 3, 5, 7):
            for seed in range(5):
                cause = rng.uniform(0.5, 2)
                row = {"family": "dnn", "loss": "mse", "map": name, "depth": depth, "seed": seed, "steps": 1000}
                row |= {"source_task": "s", "task": "t", "source_test_accuracy": rng.uniform(0.9, 1)}
                row |= {one: rng.uniform() for one in COLUMNS} | {"start_loss": rng.uniform()}
                loss = np.exp(-2 * cause + noise * rng.normal())
                row |= {decides: cause} | dict.fromkeys(
                    ("loss_100", "loss_300", "train_loss", "end_loss", "nine_tenths_loss"), loss
                )
                rows.append(row | {"constant_loss": 2.0, "test_loss": loss})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    "decides, verdict", [("lambda_min", REPRODUCED), ("effective_rank", REPRODUCED), ("start_loss", NOT)]
)
def test_the_spectrum_governs_only_if_it_beats_the_baselines(decides, verdict):
    data = functionals_of(decides)
    found = rules.spectrum_governs(data)
    assert claims.verdict_of(found) == verdict, [str(part) for part in found]


def test_a_loss_that_hardly_differs_cannot_be_explained():
    data = functionals_of("lambda_min").assign(loss_100=0.2)
    assert "loss_100 differs by less than 5%" in rules.spectrum_governs(data)[0].untestable


def test_a_functional_of_noise_explains_nothing_and_is_not_chosen():
    data = functionals_of("lambda_min")
    data = data[data["map"] == "fc"]
    found = shares(data)
    assert list(found.columns) == list(COLUMNS) and (found["lambda_min"] > 0.7).all()
    assert found["effective_rank"].mean() < 0.3 and (shares(data.assign(alignment=0.0))["alignment"] == 0).all()
    assert (best_share(data, COLUMNS) > 0.7).all() and best_share(data, BASELINES).mean() < 0.3


def test_what_is_granted_leaves_nothing_to_its_copy():
    data = functionals_of("lambda_min")
    data = data[data["map"] == "fc"].assign(start_loss=lambda d: d["lambda_min"], condition=lambda d: -d["lambda_min"])
    found = shares(data, ("condition", "alignment"), beyond=("start_loss",))
    assert np.abs(found["condition"]).max() < 1e-6


def test_every_claim_names_a_figure_and_has_the_id_of_its_function(root):
    assert len({one.id for one in rules.CLAIMS}) == len(rules.CLAIMS) >= 17
    for one in rules.CLAIMS:
        paths = [root / "figures" / f"{one.figure}.py", root / "figures" / PENDING / f"{one.figure}.py"]
        assert any(path.exists() for path in paths), one.id
        assert getattr(rules, one.id) is one.parts
    lines = [one.parts.__code__.co_firstlineno for one in rules.CLAIMS]
    assert lines == sorted(lines)


def test_every_claim_stands_beside_its_first_verdict():
    assert set(earlier.FIRST) == {claim.id for claim in rules.CLAIMS}
    found = [judge(rules.CLAIMS[0])]
    line = earlier.changes(found).splitlines()[-1]
    assert line.startswith(f"| {rules.CLAIMS[0].sentence} | reproduced (5 hold) | **{found[0].verdict}** (")


def test_four_seeds_decide_nothing():
    few = Claim(
        "it", "It is so", "tiny", "whatever", lambda data: [Part("a", CLEAR[:4], low=0), Part("b", CLEAR, low=0)]
    )
    found = judge(few, pd.DataFrame())
    assert [part.outcome for part in found.parts] == ["not testable", "holds"] and found.verdict == REPRODUCED
    assert found.parts[0].untestable == "4 seeds, where a verdict needs 5"


@pytest.mark.xdist_group("verdicts")  # all of them, which a process judges once
def test_verdicts_come_from_at_least_five_seeds():
    for one in claims.verdicts():
        assert all(part.untestable or len(part.values) >= 5 for part in one.parts), one.claim.id
        assert one.verdict != UNTESTED or one.reason or all(part.untestable for part in one.parts), one.claim.id


@pytest.mark.xdist_group("verdicts")  # all of them, which a process judges once
def test_pages_are_fresh():
    """README's table and the gallery are what `mrntk claims --write` writes."""
    for path, text in gallery.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is stale: run `mrntk claims --write`"
    assert gallery.BEGIN in text and gallery.END in text


def test_the_gallery_names_every_figure_in_order(root):
    from figures.making import registry

    assert set(gallery.ORDER) == set(registry.discover())
