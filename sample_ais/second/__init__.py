"""A second simulated sea, made from other principles than the first, to judge what was learned from the first."""
