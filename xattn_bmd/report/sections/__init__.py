"""The sections of the report, one idea per file, in the order of the page."""
