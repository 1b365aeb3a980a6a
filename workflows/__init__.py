"""Floor 5: an order's life as durable code."""
