"""The routes of the REST API, a file a subject."""
