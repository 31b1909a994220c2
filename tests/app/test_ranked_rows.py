"""The page's ranking: which sources, in which order, and which may be ties."""

import numpy as np

from mrntk.app.ranking import candidates, ranked, row
from mrntk.widgets.reprogramming import Setting, read_setting


def test_the_sources_that_suit_the_task_behind_the_same_input_map():
    found = candidates(Setting(input_map="fc", seed=3))
    assert len({one.query() for one in found}) == len(found) == 9
    assert {(one.input_map, one.seed, one.task, one.loss) for one in found} == {("fc", 3, "digits", "ce")}
    assert [one.source for one in candidates(Setting(source="crepe-tiny", task="trace"))] == ["crepe-tiny"]
    assert candidates(Setting(source="own"))[0].source == "own"


def test_the_order_and_the_ties():
    shown = Setting(input_map="fc", frame=0.3)
    rng = np.random.default_rng(0)
    rights = {
        "trained": (np.arange(40) < 36),
        "random": (np.arange(40) < 35),
        "efficientnet-lite0": rng.random(40) < 0.1,
    }
    rows = [
        row(shown, Setting(source=name, input_map="fc"), {"right": right.astype(float).tolist(), "classes": 10}, "")
        for name, right in rights.items()
    ]
    rows.append(row(shown, Setting(source="crepe-tiny", task="trace"), None, "it hears series"))
    found = ranked(rows[::-1], True)
    assert [one.get("tie") for one in found["rows"]] == [True, True, False, None]
    assert found["rows"][-1]["problem"] == "it hears series" and found["examples"] == 40
    assert "2 of 3 may be the best" in found["words"]
    assert read_setting(found["rows"][0]["query"]).frame == 0.3  # a click opens what was shown, behind that source
    low, high = found["rows"][0]["interval"]
    assert 0 <= low < found["rows"][0]["score"] == 0.9 < high <= 1
    assert ranked(rows, False)["words"] == "More are being computed."
    assert "better than guessing, which gets 10%" in ranked(rows[2:], True)["words"]
