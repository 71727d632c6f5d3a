"""The embedded endpoint: all-MiniLM-L6-v2 behind the contract of a server of one's own."""
