"""stswatch.pipeline: the flow from sentences to leads."""
