"""Training of the mini networks on suite `synth15`, and their test on its held-out clips."""
