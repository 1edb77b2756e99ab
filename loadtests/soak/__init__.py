"""Two farms with masters for minutes or hours, watched from outside: ``python -m pilotfarm.loadtests.soak``."""
