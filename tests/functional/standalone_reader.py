"""Scores an artifact with lightgbm, numpy and the two JSON files alone: docs/artifact.md shows it.

python standalone_reader.py <artifact folder> <rows.npy>  ->  points, one a line
"""

import json
import sys
from pathlib import Path

import lightgbm
import numpy


def points(folder, X):
    """Return the points of rows X (n, 18); NaN is missing."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    calibration = json.loads((folder / "calibration.json").read_text(encoding="utf-8"))
    raw = numpy.full(len(X), calibration["alpha"])
    for column, ranges in enumerate(manifest["card"]["ranges"]):
        place = numpy.searchsorted(ranges["edges"], X[:, column], side="right").clip(0, len(ranges["edges"]))
        card = numpy.where(numpy.isnan(X[:, column]), ranges["neutral"], numpy.array(ranges["points"])[place])
        raw += calibration["slope"] * card
    if "model.txt" in manifest["files"]:
        raw += lightgbm.Booster(model_file=str(folder / "model.txt")).predict(X, raw_score=True)
    log_odds = calibration["platt_intercept"] + calibration["platt_slope"] * raw
    return (calibration["offset"] + calibration["factor"] * log_odds).clip(0, 1000)


if __name__ == "__main__":
    for value in points(Path(sys.argv[1]), numpy.load(sys.argv[2])):
        print(repr(float(value)))
