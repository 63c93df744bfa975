"""Independent verification from stored bytes alone; believes neither catalog nor database."""
