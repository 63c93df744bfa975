"""The doors: REST now, others later. They translate; they decide nothing."""
