"""Engines that run the table of steps: the only room that imports Apache Beam."""
