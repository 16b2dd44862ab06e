"""Which written queries are kept: one file per filter, each a function from candidates to verdicts."""
