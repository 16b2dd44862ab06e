"""The production topology of docker/compose.yaml as plain processes on loopback, and what befalls it."""
