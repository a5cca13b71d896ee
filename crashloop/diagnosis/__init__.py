"""Which known outage a log shows: entries to events, events to signs, signs to causes. No I/O."""
