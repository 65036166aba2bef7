"""The lastmile command line."""
