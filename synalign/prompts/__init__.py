"""Prompts as files: the texts that ship with SynAlign, and how a retriever's own are checked and filled in."""
