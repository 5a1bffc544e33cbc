"""One module for each category of event; a module in this folder is a category, its `Act` is the scene.

Item i is of category `i % len(CATEGORIES)`: a new module makes a new test split and with it a new version of the suite.
"""
