"""The step *generate*: a language model names each batch's attributes, then writes queries that have them.

`generate.generate` is the step; `client` the only module that talks to a model (or to `synalign.writer`, its stand-in).
"""
