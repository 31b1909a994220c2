"""The parts of a notebook: exercises with hints and solutions, minutes, sections; errors name the notebook and what it lacks."""

import jupytext
import pytest

from mrntk import MrntkError
from notebooks.course import notebooks, versions

TEXT = """# 77 · A small one

| | |
|---|---|
| **You will** | see; try |
| **You need** | nothing |
| **Time** | 3 minutes of teaching, 5 minutes of exercises; no code |
| **The question** | Why? |

+++

## First

Words $x$ and

$$ y = 1 $$

**Step 1: go.** More words.

+++

## Exercises

### Exercise 77.1 · Add (★★, 5 minutes)

Add.

```{code-cell} ipython3
:tags: [exercise]

def add(a, b):
    return ...


check("77.1", add)
```

<details><summary>Hint 1</summary>

Plus.

</details>
<details><summary>Hint 2</summary>

`+`.

</details>
<details><summary>Solution</summary>

```python
def add(a, b):
    return a + b


check("77.1", add)
```

It adds.

</details>

+++

## What to remember

- All.
"""


@pytest.fixture
def small():
    return jupytext.reads(TEXT, fmt="md:myst")


def test_parts(small):
    assert notebooks.title(small) == "77 · A small one" and notebooks.minutes(small) == (3, 5)
    assert notebooks.section(small, "What to remember") == "- All." and not notebooks.section(small, "Nothing")
    (one,) = notebooks.exercises(small)
    assert (one.number, one.title, one.stars, one.minutes) == ("77.1", "Add", 2, 5)
    assert one.hints == ("Plus.", "`+`.") and one.explanation == "It adds."
    assert one.solution == 'def add(a, b):\n    return a + b\n\n\ncheck("77.1", add)'
    assert small.cells[one.cell].source.endswith('check("77.1", add)')


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("### Exercise 77.1", "### Exercise 77.2", "a heading"),
        ("```python", "```text", "folded solution"),
        ('check("77.1", add)', "add", "call of check"),
    ],
)
def test_an_exercise_that_lacks_a_part(old, new, words):
    with pytest.raises(MrntkError, match=f"77 · A small one.*{words}"):
        notebooks.exercises(jupytext.reads(TEXT.replace(old, new), fmt="md:myst"))


def test_minutes_must_be_there():
    with pytest.raises(MrntkError, match="minutes of teaching"):
        notebooks.minutes(jupytext.reads(TEXT.replace("of teaching", ""), fmt="md:myst"))


def test_the_student_gets_hints_and_no_solution(small):
    found = versions.student(small)
    text = "\n".join(cell.source for cell in found.cells)
    assert "Plus." in text and "return ..." in text and "Solution" not in text and "a + b" not in text
    assert "a + b" in "\n".join(cell.source for cell in small.cells)  # the source is as it was


def test_the_teacher_gets_the_solution_in_the_cell(small):
    found = versions.solutions(small)
    (one,) = notebooks.exercises(small)
    assert found.cells[one.cell].source == one.solution and found.cells[one.cell + 1].source == "**Solution.** It adds."


def test_find():
    assert notebooks.find("01") == notebooks.find("01_the_ntk_from_scratch")
    with pytest.raises(MrntkError, match="99.*01_the_ntk_from_scratch"):
        notebooks.find("99")


def test_versions_are_written_as_notebooks_without_outputs(tmp_path):
    (path,) = versions.write("student", tmp_path / "new", [notebooks.find("01")])
    text = path.read_text()
    assert path.name == "01_the_ntk_from_scratch_student.ipynb" and "jupytext" not in text and "image/png" not in text
    with pytest.raises(MrntkError, match="student, solutions"):
        versions.write("parents", tmp_path)
