# SPDX-License-Identifier: MIT
"""`run --pages FILE`: which of the program's pages were in memory, drawn over time (TL-05).

The kernel looks every few milliseconds and sends what it saw (kernel/residency.c); here the
looks become pictures: one for each region of the address space, a line for each look in which
it had changed, a column for each page or few pages.
"""
import re

WIDTH = 64  # columns of a picture
LEGEND = "# all in memory  + half or more  - some  z zero page  s swapped out  . untouched  (blank) not mapped"
RUN = re.compile(r"([0-9]+)([rzs.])")
PAGE = 4096


def pages_of(area):
    """The states of an area's pages, a character each."""
    return "".join(state * int(n) for n, state in RUN.findall(area["pages"]))


class Region:
    """Addresses that areas of one or more looks share, and by which name they went last."""

    def __init__(self, area):
        self.start, self.end = area["start"], area["start"] + len(pages_of(area)) * PAGE
        self.name, self.rights = area["name"], area["rights"]

    def takes(self, other):
        """Regions that overlap or touch under one name are one: a heap that grows, say."""
        near = other.start < self.end or (other.start == self.end and other.name == self.name
                                          and other.rights == self.rights)
        if near and self.start <= other.start:
            self.end = max(self.end, other.end)
            self.name, self.rights = other.name or self.name, other.rights
            return True
        return False


def regions_of(looks):
    """All that was ever mapped, in the order of addresses."""
    regions = []
    for region in sorted((Region(a) for look in looks for a in look["areas"]), key=lambda r: (r.start, r.end)):
        if not regions or not regions[-1].takes(region):
            regions.append(region)
    return regions


def states_in(region, look):
    """One character for each page of the region; a blank where nothing is mapped."""
    states = [" "] * ((region.end - region.start) // PAGE)
    for area in look["areas"]:
        at = (area["start"] - region.start) // PAGE
        if 0 <= at < len(states):
            pages = pages_of(area)[:len(states) - at]
            states[at:at + len(pages)] = pages
    return "".join(states)


def cell(states):
    """Some neighbouring pages as one character."""
    resident = states.count("r")
    if resident:
        return "#" if resident == len(states) else "+" if 2 * resident >= len(states) else "-"
    for state in "sz.":
        if state in states:
            return state
    return " "


def row(states, columns):
    edges = [len(states) * c // columns for c in range(columns + 1)]
    return "".join(cell(states[a:b]) for a, b in zip(edges, edges[1:]))


def picture(region, looks):
    """Lines: a heading, then each look that differs from the one before."""
    pages = (region.end - region.start) // PAGE
    columns = min(pages, WIDTH)
    a_column = f", {pages / columns:.3g} a column" if pages > columns else ""
    yield f"{region.start:x}-{region.end:x} {region.rights} {region.name or '(anonymous)'}: {pages} pages{a_column}"
    before = None
    for look in looks:
        states = states_in(region, look)
        if states != before and (before is not None or states.strip()):
            yield f"  {look['ms'] / 1000:8.3f} s |{row(states, columns)}| {states.count('r')}"
        before = states


def draw(program, looks):
    """The whole drawing as text."""
    lines = [f"{program}: pages in memory, {len(looks)} looks", LEGEND]
    left_out = max((look["left_out"] for look in looks), default=0)
    if left_out:
        lines.append(f"up to {left_out} regions did not fit and are left out")
    for region in regions_of(looks):
        lines.append("")
        lines += picture(region, looks)
    return "\n".join(lines) + "\n"
