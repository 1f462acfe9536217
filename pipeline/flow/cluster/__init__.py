"""Apache Flink as an engine: the same transforms, on a cluster that stands, through Beam's portable runner."""
