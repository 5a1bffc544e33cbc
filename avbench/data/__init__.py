"""Suites' media: from what is published to what a run can use.

`prepare` recognises the published download of a suite (a folder, its lists, its archives), checks it, puts the clips and the
pictures that condition models into the data folder, and writes an index with the hash, size and length of each. Nothing that
needs a log-in is downloaded, and no clip is changed unless a protocol asks for it.
"""
