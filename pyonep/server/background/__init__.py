"""What happens by itself: waits end, timers run out, what was dropped is removed."""
