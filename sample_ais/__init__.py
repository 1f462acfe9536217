"""The simulated sea: its generator, a recording, the truth beside it."""
