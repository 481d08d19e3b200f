"""All that knows HTTP: requests become work of the platform, results become answers."""
