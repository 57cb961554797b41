"""Deploy a model to a reCamera, keep the ones before, and read what is there."""
