"""Floor 6: the verbs of `meshline`."""
