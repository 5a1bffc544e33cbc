"""Agreement with the published implementations, by recorded numbers."""
