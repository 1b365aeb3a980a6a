"""Floor 6: webhooks in, pollers, dispatcher, signal relay. Later the API and the console."""
