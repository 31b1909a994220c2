"""What a computation's code is: the same under every Python, and no more and no less than what is reached."""

import ast
from textwrap import dedent

import pytest

from figures.making import code

SAMPLE = '''
"""Docstring."""
from __future__ import annotations
import numpy as np
from jaxtyping import Float

def logged(level: int = 1, *rest, key=None, **more):
    return lambda function: function

@logged(2, *(1, 2), key=u"k", **{"a": 1, **{}})
class Row:
    """Docstring."""
    name: str
    size: int = 3
    "said of size"

    @property
    async def area(self) -> Float[np.ndarray, "N d"]:
        global LAST
        return self.size ** 2, -1, 1j, 1e300 * 10, b"\\x00", "ä\\n\\u2028\\U0001fae8", ..., None, True

def words(x: dict, w=5, /, *, p: float = 0.25) -> str:
    """Docstring."""
    rows: list[int] = [y for y in x if (n := len(y)) > 1 or not n]
    text = f"{x['a']}" "plain" f"" f'{x["b"]!r:>{w}}' f"{w:{w}.{p}f}{{}}" f"{w = } and {p=:.2f}" f"{w:}" f"{w:%H:%M}"
    text += f"{'nested'} {f'{w + 1:03d}' + 'x'} {(lambda a, *b, c=2: a)(1)} {x if x else 'y'!s} \\N{DEGREE SIGN}" "\\\\ end"
    match x:
        case {"kind": "a", "at": [first, *_], **rest} if first:
            return text
        case Row(name="b" | "c" as name) | [None, name]:
            del rows[0], rows[1:2, ::3]
        case -1 | "s" | _:
            raise ValueError(f"no {x!a}") from None
    try:
        with open("a") as a, open("b"):
            return a < w <= p != 3
    except* (OSError, ValueError) as error:
        assert error, f'{error}'
    return (yield text)
'''


def test_the_same_words_under_every_python():
    """The literal was computed under Python 3.11.7, 3.12.1 and 3.13.0: a form that follows the Python fails under one of them."""
    assert code.hash_of([code.normal(ast.parse(SAMPLE))]) == "d860916623022f97"


def test_fstrings_may_be_cut_anywhere():
    whole, cut = ast.parse('f"a{x:b}c"'), ast.parse('f"a{x:b}c"')
    for joined in (node for node in ast.walk(cut) if isinstance(node, ast.JoinedStr)):
        joined.values = [
            part
            for value in joined.values
            for part in ([ast.Constant(""), value, ast.Constant("")] if isinstance(value, ast.Constant) else [value])
        ]
    assert code.normal(whole) == code.normal(cut) != code.normal(ast.parse('f"a{x:b}cc"'))


@pytest.mark.parametrize(
    "one, other",
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 'None'", "x = None"),
        ("f(a)(b)", "f(a, b)"),
        ("f(a=1)", "f(b=1)"),
        ("x = a - (b - c)", "x = a - b - c"),
        ("def f(*, a, b=1): pass", "def f(*, a=1, b): pass"),
        ("return", "return None"),
        ("for i in x: a\nelse: b", "for i in x: a\nb"),
        ("f'{x!r}'", "f'{x}'"),
        ("f'{x:3}'", "f'{x:4}'"),
        ("f'{x}'", "'x'"),
        ("try: a\nexcept E: b", "try: a\nexcept F: b"),
        ("class A: x: int", "class A: pass"),
        ("@cache\ndef f(): pass", "def f(): pass"),
        ("async def f(): pass", "def f(): pass"),
        ("a[1:]", "a[:1]"),
        ("import a\nglobal x", "import a\nglobal y"),
    ],
)
def test_what_differs_has_other_words(one, other):
    assert code.normal(ast.parse(one)) != code.normal(ast.parse(other))


@pytest.mark.parametrize(
    "text, names",
    [
        ("def f(a, *b, c=d, **e): return a + b + c + e + g", "d g"),
        ("def f(a: one) -> two:\n b: three = four\n return b", "four"),
        ("def f():\n a = b\n def c(): return a + d\n return c", "b d"),
        ("def f():\n global a\n a = b\n return a", "a b"),
        ("x = [a + b for a in c]", "b c"),
        ("x = [a for a in a]", "a"),
        ("x = {a: b for a, b in c for d in a if e}", "c e"),
        ("def f(x): return [a for a in x], a", "a"),
        ("def f(x): return (y := x) + y + z", "z"),
        ("x = lambda a, b=c: a + d", "c d"),
        ("def f():\n try: a\n except E as e: return e", "E a"),
        ("def f():\n with a as b, c: return b", "a c"),
        (
            "def f(x):\n match x:\n  case K(a=b) | [b, *c]: return b + c + d\n  case M.v | {'k': q, **r}: return q + r",
            "K M.v d",
        ),
        ("class A(B, metaclass=C):\n x = D\n def f(self): return self.x + E", "B C D E"),
        ("@a.b\ndef f(): pass", "a.b"),
        ("def f(self): self.x.y = z.w[0].v(u)", "u z.w"),
        ("def f():\n import m\n return m.g", "m.g"),
        ("def f():\n try: from m import g\n except ImportError: g = None\n return g", "ImportError g"),
        ("x.y = 1", "x.y"),
        ("x[a] += b", "a b x"),
        ("def f():\n for a in b: a\n while c: del a", "b c"),
        ("x = f'{a:{b}}'", "a b"),
    ],
)
def test_the_names_that_a_statement_takes_from_its_module(text, names):
    found = {".".join(chain) for chain in code.references(ast.parse(text).body[0])}
    assert found == set(names.split())


FILES = {
    "figures/one.py": """
        \"\"\"A figure.\"\"\"
        import numpy as np
        from matplotlib import pyplot as plt
        from lib import tools
        from lib.spectrum import spectrum
        from figures.shared.doing import measure

        SIZE = 3

        def cells(): return [{"n": SIZE}]

        def compute(key, *, n):
            from lib.late import late
            x = np.ones(n)
            return measure(x) + spectrum(x) + tools.scaled(x) + late(x)

        def render(data):
            unused = tools.other(plt)
    """,
    "figures/shared/__init__.py": "",
    "figures/shared/doing.py": """
        from lib.tasks import load

        def measure(x): return load("a")(x)

        def unused(): return load("b")
    """,
    "lib/__init__.py": """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from .late import late
    """,
    "lib/tools.py": """
        FACTOR = 2

        def scaled(x): return FACTOR * x

        def other(x): return x
    """,
    "lib/late.py": """
        import lib

        def late(x): return lib.tools.scaled(x) - deep(x)

        def deep(x):
            \"\"\"Goes deep.\"\"\"
            return x
    """,
    "lib/spectrum/__init__.py": """
        from .eigenvalues import spectrum, trace
    """,
    "lib/spectrum/eigenvalues.py": """
        def spectrum(x): return rounded(x)

        def rounded(x): return round(x)

        def trace(x): return x
    """,
    "lib/tasks/__init__.py": """
        from . import images

        TASKS = {**images.ENTRIES}

        def load(name):
            from . import images
            return TASKS[name]
    """,
    "lib/tasks/images.py": """
        def digits(): return 1

        ENTRIES = {"a": digits}

        def drawn(): return 2
    """,
    "lib/widget.py": """
        from .tools import scaled

        def draw(): return scaled(1)
    """,
}


class Checkout:
    """Two small packages, a hash of the figure's code within both, and one within the figure and what it shares."""

    def __init__(self, root):
        self.root = root
        for name, text in FILES.items():
            self.write(name, dedent(text))

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def edit(self, name, old, new):
        text = (self.root / name).read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {name}"
        self.write(name, text.replace(old, new))

    def hash(self, *within):
        folders = {name: self.root / name for name in ("figures", "lib")}
        search = code.Search(self.root / "figures" / "one.py", within or ("figures", "lib"), folders)
        return code.hash_of(search.reach("compute", "cells"))


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("figures/one.py", "SIZE = 3", "SIZE = 4"),
        ("figures/one.py", "np.ones", "np.zeros"),
        ("figures/one.py", "import numpy as np", "import jax.numpy as np"),
        ("figures/one.py", "spectrum import spectrum", "spectrum import trace as spectrum"),
        ("figures/shared/doing.py", 'load("a")', 'load("c")'),
        ("lib/tools.py", "FACTOR = 2", "FACTOR = 3"),
        ("lib/tools.py", "FACTOR = 2", "FACTOR = 2\nFACTOR += 1"),
        ("lib/tools.py", "FACTOR = 2", "try:\n    FACTOR = 3\nexcept OSError:\n    FACTOR = 2"),
        ("lib/tools.py", "FACTOR = 2", "import os\nos.environ.clear()\nFACTOR = 2"),
        ("lib/late.py", "return x", "return 2 * x"),
        ("lib/spectrum/eigenvalues.py", "round(x)", "round(x, 8)"),
        ("lib/tasks/images.py", "return 1", "return 3"),
        ("lib/tasks/images.py", '"a": digits', '"b": digits'),
    ],
)
def test_an_edit_of_what_is_reached_changes_the_hash(checkout, name, old, new):
    before = checkout.hash()
    checkout.edit(name, old, new)
    assert checkout.hash() != before


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("figures/one.py", "unused =", "used ="),
        ("figures/one.py", "A figure.", "Another figure."),
        ("figures/one.py", "SIZE = 3", "SIZE = 3  # rows\n"),
        ("figures/one.py", "key, *, n", "key: Key, *, n: int"),
        ("figures/one.py", "from matplotlib import pyplot as plt", "import matplotlib.pyplot as plt"),
        ("figures/one.py", "from lib.spectrum import", "from lib.spectrum.eigenvalues import"),
        ("figures/shared/doing.py", 'load("b")', 'load("c")'),
        ("lib/tools.py", "def other(x): return x", "def other(x): return -x"),
        ("lib/late.py", "Goes deep.", "Goes deeper."),
        ("lib/late.py", "lib.tools.scaled(x) - deep(x)", "(lib.tools.scaled(x)\n        - deep(x))"),
        ("lib/spectrum/eigenvalues.py", "def trace(x): return x", "def trace(x): return 0"),
        ("lib/tasks/images.py", "return 2", "return 3"),
        ("lib/widget.py", "scaled(1)", "scaled(2)"),
    ],
)
def test_an_edit_of_what_is_not_reached_does_not(checkout, name, old, new):
    before = checkout.hash()
    checkout.edit(name, old, new)
    assert checkout.hash() == before


def test_moved_code_is_the_same_code(checkout):
    before = checkout.hash()
    definition = "def rounded(x): return round(x)\n"
    checkout.edit("lib/spectrum/eigenvalues.py", definition, "from ..numbers.rounding import rounded\n")
    checkout.write("lib/numbers/rounding.py", definition)  # a folder without an __init__.py
    checkout.write("lib/tasks/pictures.py", (checkout.root / "lib/tasks/images.py").read_text(encoding="utf-8"))
    checkout.edit("lib/tasks/__init__.py", "from . import images", "from . import pictures as images")
    (checkout.root / "lib/tasks/images.py").unlink()
    assert checkout.hash() == before
    checkout.edit("lib/numbers/rounding.py", "round(x)", "round(x, 1)")
    assert checkout.hash() != before


@pytest.mark.parametrize("use", ["tools", "vars(tools)", "tools.__dict__['other']", "tools.made_when_asked"])
def test_of_a_module_used_as_a_whole_everything_counts(checkout, use):
    checkout.edit("figures/one.py", "tools.scaled(x)", use)
    before = checkout.hash()
    checkout.edit("lib/tools.py", "def other(x): return x", "def other(x): return -x")
    assert checkout.hash() != before


def test_a_star_import_is_followed(checkout):
    checkout.edit("figures/one.py", "from lib import tools", "from lib.tools import *")
    checkout.edit("figures/one.py", "tools.scaled(x)", "other(x)")
    before = checkout.hash()
    checkout.edit("lib/tools.py", "def other(x): return x", "def other(x): return -x")
    assert checkout.hash() != before


def test_a_name_is_found_through_its_packages_one_by_one(checkout):
    """Also through a folder without an __init__.py, as figures is."""
    checkout.edit("figures/one.py", "from figures.shared.doing import measure", "import figures.shared.doing")
    checkout.edit("figures/one.py", "measure(x)", "figures.shared.doing.measure(x)")
    before = checkout.hash()
    checkout.edit("figures/shared/doing.py", 'load("b")', 'load("c")')
    assert checkout.hash() == before
    checkout.edit("figures/shared/doing.py", 'load("a")', 'load("c")')
    assert checkout.hash() != before


def test_names_that_change_places_are_seen(checkout):
    checkout.edit("figures/one.py", "from lib import tools", "from lib.tools import other as a, scaled as b")
    checkout.edit("figures/one.py", "tools.scaled(x)", "a(x) - b(x)")
    before = checkout.hash()
    checkout.edit("figures/one.py", "other as a, scaled as b", "other as b, scaled as a")
    assert checkout.hash() != before


def test_what_lies_outside_of_the_packages_named_does_not_count(checkout):
    within = ("figures.shared",)
    before = checkout.hash(*within)
    checkout.edit("lib/tools.py", "FACTOR = 2", "FACTOR = 3")
    checkout.edit("figures/one.py", "from lib.spectrum import", "from lib.moved import")
    assert checkout.hash(*within) == before
    checkout.edit("figures/shared/doing.py", 'load("a")', 'load("c")')
    assert checkout.hash(*within) != before
