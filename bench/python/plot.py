"""The plot of docs/performance.md. It runs as a cell in Curta's own sandbox and reads figures.json beside it."""

import json
import textwrap

import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter

MET, MISSED, OWN, OTHERS = "#2a7f62", "#c8553d", "#24507a", "#b8b8b8"

with open("figures.json", encoding="utf-8") as file:
    figures = json.load(file)
distances, times = figures["distances"], figures["times"]

rows = max(len(distances), len(times), 4)
figure, (left, right) = plt.subplots(1, 2, figsize=(15, 1.5 + 0.42 * rows), dpi=110, layout="constrained")

labels = [textwrap.fill(entry["what"], 56) for entry in distances]
values = [entry["value"] for entry in distances]
left.barh(labels, values, color=[MET if value <= 1 else MISSED for value in values])
left.axvline(1, color="black", linewidth=1)
left.set_xscale("log")
left.set_title("Distance from each target (1: on it, left of it: better)")
left.tick_params(axis="y", labelsize=7)
left.invert_yaxis()

names = [entry["name"] for entry in times]
for place, entry in enumerate(times):
    color = OWN if entry["name"].startswith(("Curta", "new container")) else OTHERS
    right.barh(place, entry["p50"], color=color)
    right.plot([entry["p50"], entry["p99"]], [place, place], color="black", linewidth=1)
    right.plot([entry["p99"]], [place], marker="|", color="black")
    right.text(entry["p99"] * 1.1, place, f"{entry['p50']:.2f}", va="center", fontsize=7)
right.set_yticks(range(len(names)), names, fontsize=8)
right.set_xscale("log")
# Room for the number beside the longest one.
right.set_xlim(right=max((entry["p99"] for entry in times), default=1) * 2.5)
right.set_title("Milliseconds: p50 as bar, p99 as tick")
right.invert_yaxis()
for axes in (left, right):
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
plt.show()
