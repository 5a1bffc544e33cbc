"""Networks, written to take the published files as they are. Imported by `Extractor.load` alone: they import torch."""
