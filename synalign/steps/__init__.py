"""The ten steps of a refresh and the two jobs of an experiment, one file each, and what runs them as jobs."""
