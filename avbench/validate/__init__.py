"""Does a metric notice known damage? Distort clips, score every cell, draw the curves.

curves    distort, score, and what the numbers say
drawing   lines and text to SVG and PDF, without a plotting library
page      the report as HTML and PDF
"""
