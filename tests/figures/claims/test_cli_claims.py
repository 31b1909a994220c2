"""`mrntk claims` and the options of `mrntk figures`."""

import pytest

from figures.claims.rules import CLAIMS
from figures.making import gallery
from mrntk import __main__ as cli


@pytest.mark.xdist_group("verdicts")  # all of them, which a process judges once
def test_claims_are_printed_with_rule_and_parts(capsys):
    assert cli.main(["claims"]) == 0
    out = capsys.readouterr().out
    for claim in CLAIMS:
        assert claim.sentence in out and f"rule: {claim.rule}" in out
    assert out.count("    - ") > len(CLAIMS)


def test_one_claim(capsys):
    assert cli.main(["claims", "fc_falls"]) == 0
    assert capsys.readouterr().out.count("rule:") == 1
    assert cli.main(["claims", "fc"]) == 2
    assert "claim 'fc' is unknown" in capsys.readouterr().err


def test_write_brings_pages_up_to_date(capsys, monkeypatch, tmp_path):
    page = tmp_path / "README.md"
    monkeypatch.setattr(gallery, "pages", lambda: {page: "fresh\n"})
    assert cli.main(["claims", "--write"]) == 0
    assert page.read_text() == "fresh\n" and "written:" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, said",
    [
        (["--set", "depth=1"], "--set needs the ID of a figure"),
        (["depth_to_target", "--set", "depht=1:9"], "did you mean depth"),
        (["depth_to_target", "--set", "depth=deep"], "give one or more whole numbers"),
        (["depth_to_targt"], "did you mean depth_to_target"),
    ],
)
def test_mistakes_end_in_one_line(words, said, capsys, tmp_path):
    assert cli.main(["figures", *words, "--out", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert said in err and len(err.splitlines()) == 1
