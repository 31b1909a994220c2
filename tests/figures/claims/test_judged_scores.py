"""How scores are judged: a score that is the truth wins, one that is chance does not, and the halves share nothing."""

import numpy as np
import pandas as pd
import pytest

from figures.claims import NOT, REPRODUCED, judge
from figures.claims.judged_scores import (
    FIRST_HALF,
    FORMS,
    OURS,
    SCORES,
    SOURCE,
    by_score,
    chosen,
    half,
    held_out,
    quality,
    with_ours,
)
from figures.claims.rules import CLAIMS

CLAIM = next(one for one in CLAIMS if one.id == "score_chooses")


def table(noise: dict[str, float], sources: int = 24, seeds: int = 3, seed: int = 0) -> pd.DataFrame:
    """Test accuracies drawn evenly from 0 to 1; every score is the accuracy and noise of its size, by default much.

    "ours" is the first form of our score, after a probe.
    """
    noise = noise | {f"probe_{FORMS[0]}": noise["ours"]} if "ours" in noise else noise
    scores = {score: sign for score, (_, sign) in SCORES.items() if score not in OURS}
    scores |= {f"{kernel}_{form}": 1 for kernel in ("start", "probe") for form in FORMS}
    rng, rows = np.random.default_rng(seed), []
    for s in range(seeds):
        for number in range(sources):
            for task in (*FIRST_HALF, "photos", "mnist5k", "trace"):
                for name in ("fc", "vp"):
                    truth = rng.random()
                    place = {
                        "family": "dnn",
                        "depth": number,
                        "home": "mnist5k",
                        "epochs": 1,
                        "source_loss": "ce",
                        "task": task,
                        "map": name,
                    }
                    drawn = {
                        score: sign * (truth + noise.get(score, 3.0) * rng.normal()) for score, sign in scores.items()
                    }
                    rows.append(place | {"seed": s, "test_accuracy": truth} | drawn)
    return pd.DataFrame(rows)


def test_a_score_that_is_the_truth_is_first_and_loses_nothing():
    found = quality(with_ours(table({"ours": 0.0})))
    tau, first = by_score(found, "tau"), by_score(found, "first")
    assert next(iter(tau)) == "ours" and np.allclose(tau["ours"], 1) and np.allclose(first["ours"], 0)
    assert (found["three"] <= found["first"] + 1e-12).all()
    assert judge(CLAIM, table({"ours": 0.0})).verdict == REPRODUCED


@pytest.mark.parametrize("best", ["logme", "source_accuracy", "start_start_loss"])
def test_a_better_other_score_is_found(best):
    found = judge(CLAIM, table({"ours": 1.0, best: 0.02}))
    assert found.verdict != REPRODUCED
    outcomes = {part.name: part.outcome for part in found.parts}
    assert outcomes[f"tau less that of {SCORES[best][0]}"] == "fails"


def test_a_score_that_is_chance_is_not_ahead():
    found = judge(CLAIM, table({}))
    assert found.verdict in (NOT, "undecided") and not any(part.outcome == "holds" for part in found.parts)


def test_the_halves_share_neither_sources_nor_tasks():
    data = table({})
    first, second = half(data, second=False), half(data, second=True)
    assert set(first["task"]) == set(FIRST_HALF) and not set(first["task"]) & set(second["task"])
    assert not set(map(tuple, first[SOURCE].to_numpy())) & set(map(tuple, second[SOURCE].to_numpy()))
    assert len(first) and len(second) and held_out(data)[data.columns].equals(second)


def test_the_form_is_chosen_on_the_first_half_alone():
    data = table({"probe_ridge_300": 0.1, "probe_accuracy_10": 0.1})
    second = ~data["task"].isin(FIRST_HALF)
    data.loc[second, "probe_ridge_300"] = data.loc[second, "test_accuracy"]  # perfect where nobody may look
    data.loc[~second, "probe_accuracy_10"] = data.loc[~second, "test_accuracy"]
    assert chosen(data[~second]) == "accuracy_10" and chosen(data[second]) == "ridge_300"
    assert with_ours(data)["ours"].equals(data["probe_accuracy_10"].rename("ours"))


def test_a_score_that_says_nothing_of_some_sources_takes_their_mean():
    data = table({"source_accuracy": 0.0})
    data.loc[data["depth"] % 3 == 0, "source_accuracy"] = np.nan
    data["transrate"] = 1.0  # of no use at all
    tau = by_score(quality(with_ours(data)), "tau")
    assert 0.2 < tau["source_accuracy"].mean() < 1 and np.allclose(tau["transrate"], 0)


def test_what_is_ours_is_not_judged_against_itself():
    names = [part.name for part in CLAIM.parts(table({}))]
    assert len(names) == len(SCORES) - len(OURS) + 1 and all(
        SCORES[score][0] not in name for score in OURS for name in names
    )
