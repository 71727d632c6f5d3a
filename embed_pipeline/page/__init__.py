"""The page that shows a run: `draw.draw` makes report.html of a manifest and a report.json."""
