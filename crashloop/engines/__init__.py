"""Where a run's database and cache come from, and what guarantees that nothing of them is left."""
