"""From a trace and its judgement to what a person or a program reads: text, terminal, JSON."""
