"""May they, and what did it cost: prices, the journal, the ledger."""
