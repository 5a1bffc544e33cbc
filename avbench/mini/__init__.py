"""Small networks trained on suite `synth15`: weights, cards and what goes into them.

They come with the package, so that every metric has a number without any download. A number made with them says nothing about
photographs or recordings, and is never comparable with one made with a published network.
"""
