"""Pictures as SVG: the marks and charts of the report, and the charts that MLflow shows as files of their own."""
