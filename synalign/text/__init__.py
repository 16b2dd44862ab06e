"""Text as it is compared, split and written: normal form, words, forms of queries, numbers for people."""
