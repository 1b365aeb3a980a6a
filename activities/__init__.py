"""Floor 4: the workflow's hands. Contracts here, one class a role beside them."""
