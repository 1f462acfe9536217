"""Simulated and real seas judged: training, evaluation, the model card."""
