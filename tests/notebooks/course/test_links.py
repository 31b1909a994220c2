"""Links of pages and of a built site."""

import pytest

from mrntk import MrntkError
from notebooks.course import links

PAGES = {"notebooks/00.ipynb", "figures/README.md"}


@pytest.mark.parametrize(
    "text, expected",
    [
        ("[a](../figures/README.md#x)", "[a](../figures/README.md#x)"),
        ("[a](#here)", "[a](#here)"),
        ("[a](https://example.org/b)", "[a](https://example.org/b)"),
        ("see [the code](../mrntk/theory/bound.py) and [[03]](00.ipynb)", "see the code and [[03]](00.ipynb)"),
        ("```\n[a](../nothing.py)\n```", "```\n[a](../nothing.py)\n```"),
        ("![picture](../nothing.png)", "![picture](../nothing.png)"),
    ],
)
def test_links_to_other_files_become_words(text, expected, root):
    assert links.within(text, "notebooks/00.ipynb", PAGES, root) == expected


def test_a_dead_link_is_an_error(root):
    with pytest.raises(MrntkError, match="notebooks/00.ipynb links to ../nothing.py, which is not there"):
        links.within("[a](../nothing.py)", "notebooks/00.ipynb", PAGES, root)


def test_problems_of_a_site(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="top">A</h1><a href="b.html#there">b</a><a href="#top">up</a><img src="no.png">'
        '<script src="https://example.org/x.js"></script><a href="https://example.org">out</a><a href="c.html">c</a>'
    )
    (tmp_path / "b.html").write_text('<a href="a.html#top">a</a>')
    found = links.problems(tmp_path)
    assert sorted(found) == [
        "a.html links to b.html#there, an anchor that is not there",
        "a.html links to c.html, which is not there",
        "a.html links to no.png, which is not there",
        "a.html loads https://example.org/x.js",
    ]
