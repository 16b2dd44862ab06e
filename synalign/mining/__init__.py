"""Hard negatives: documents that look like the answer to a query and are not.

`nearest` and `lexical` find the documents nearest to queries by vectors and by words, `negatives` picks among them.
Arrays and strings in, a table out: the step *mine* runs it in Spark's tasks.
"""
