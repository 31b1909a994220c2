"""The experiments that several figures and notebooks share. A change here makes the data of the figures that use it stale."""
