"""Floor 3: tables, unit of work, inventory ledger, event log, inbox, decision log, audit."""
