"""The co-operative itself: aggregates, events, commands, rules. Pure; imports nothing of ours."""
