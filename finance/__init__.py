"""What money should be: invoices checked against what was due. Pure, like the floors below."""
