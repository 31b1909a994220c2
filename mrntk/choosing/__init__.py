"""Which source for my task: scores before training, and a ranking by them."""
