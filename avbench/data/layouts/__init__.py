"""One module per suite, named after it: what its published download looks like. Adding a suite touches no other file.

A module has `HOW` (`avbench.data.layout.How`: where the download is, step by step) and `recognise(tree, suite, items)`, which
finds each item's clip in it (`avbench.data.layout.Found`). A `-` in a suite's name is a `_` in the module's.
"""
