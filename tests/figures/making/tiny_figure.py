"""The text of a small figure module, for the tests of registry and runner."""

MODULE = '''
"""A figure for tests."""
import matplotlib.pyplot as plt
ID, TITLE, PAPER, ALT, SAYS = "tiny", "Tiny", "beyond the paper", "A line.", "Nothing."
SCALES = {"smoke": {"n": 3}, "course": {"n": 4}, "paper": {"n": 5}}
FACTOR = 2
def cells(*, n):
    """Documented."""
    return [{"i": i} for i in range(n)]
def compute(key, *, i):
    """Documented."""
    return [{"i": i, "value": FACTOR * i / 3}]
def render(data):
    figure, axis = plt.subplots()
    axis.plot(data["i"], data["value"])
    return figure
def finds(data):
    return f"{len(data)} values."
'''
