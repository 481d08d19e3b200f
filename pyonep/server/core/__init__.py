"""What the platform decides, on what the store remembers; it knows no HTTP and no event loop."""
