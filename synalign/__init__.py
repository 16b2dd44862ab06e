"""SynAlign keeps a text retriever's training data fresh, and its synthetic part distributed like real queries."""

__version__ = "0.1.0"
