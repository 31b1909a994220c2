"""Which source for my task, which task for my source, which maps: a ranking before training, and the scores by others."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "candidates": ["EVERY", "Candidate", "read_source"],
        "ranking": ["rank"],
        "rows": ["Ranking", "Row"],
        "words": ["table"],
    },
)
