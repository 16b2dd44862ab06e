"""From a query log and documents to clean, counted and split tables, in Spark."""
