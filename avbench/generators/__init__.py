"""One file per model adapter; the file's name is the model's name."""
