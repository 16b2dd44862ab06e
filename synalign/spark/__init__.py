"""Everything that needs Spark and is no step: sessions, clusters, tables, progress and sums over rows."""
