"""The engines: they provide a run's database and cache, and remove them afterwards."""
