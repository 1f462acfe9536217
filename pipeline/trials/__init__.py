"""Trials of the judgement: simulated seas are watched, what was found is held against what happened."""
