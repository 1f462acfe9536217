"""Sentences to messages to columns."""
