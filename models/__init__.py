"""The judgement: features and the scorecard."""
