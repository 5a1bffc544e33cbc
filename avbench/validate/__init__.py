"""Does a metric notice known damage? Distort clips, score every cell, draw the curves.

job       from clips to the report
cells     scores that take the undistorted clip, or a set of clips
curves    what the numbers of one metric under one distortion say
drawing   lines and text to SVG and PDF, without a plotting library
page      the report as HTML and PDF
"""
