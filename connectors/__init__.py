"""Floor 3: vendors. One Protocol a role, one HTTP client, one module a vendor."""
