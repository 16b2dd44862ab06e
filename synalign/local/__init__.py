"""Everything on one machine: the services, one refresh at a terminal, and the demo's data."""
