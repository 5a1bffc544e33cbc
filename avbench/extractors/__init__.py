"""One file per network or signal analysis; the file's name is the extractor's name."""
