"""The lake and the database: the only room that imports DuckDB."""
