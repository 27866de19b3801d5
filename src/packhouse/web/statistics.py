# SPDX-License-Identifier: Apache-2.0
"""What is downloaded: the numbers beside a project, and the page of what everybody installs."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from packhouse.domain.downloads import Downloads
from packhouse.domain.plots import percent, plot, share
from packhouse.services import downloads
from packhouse.services.indexes import MAIN
from packhouse.web import resources
from packhouse.web.reading import readable
from packhouse.web.tags import in_date

NOT_SAID = "not said"


@readable
def stats(request: HttpRequest) -> HttpResponse:
    """`/stats/`: what everybody installs from `main`, with what, for which Python."""
    context = {
        "counts": shown(downloads.of_index(MAIN, resources.get().clock())),
        "top": _top(downloads.most_installed(MAIN, resources.get().clock())),
        "most": downloads.TOP,
    }
    return render(request, "stats.html", context)


def of_project(name: str) -> dict[str, Any]:
    """What the page of a project shows of its downloads."""
    return shown(downloads.of_project(MAIN, name, resources.get().clock()))


def of_files(name: str, version: str) -> dict[str, int]:
    """Filename -> downloads in the last 30 days, of the files of a release."""
    return downloads.of_release(MAIN, name, version, resources.get().clock())


def shown(counted: Downloads) -> dict[str, Any]:
    """The numbers of a window as templates show them: see `packhouse/downloads.html`."""
    points = [(in_date(day), number) for day, number in counted.dated]
    return {
        "day": counted.last_day,
        "week": counted.last_week,
        "month": counted.last_month,
        "total": counted.total,
        "plot": plot(points),
        "first": points[0][0],
        "last": points[-1][0],
        "installers": _shares(counted.installers, counted.last_month),
        "pythons": _shares(counted.pythons, counted.last_month),
    }


def _shares(counted: tuple[tuple[str, int], ...], whole: int) -> list[dict[str, Any]]:
    return [
        {"label": name or NOT_SAID, "number": number, "percent": percent(number, whole), "share": share(number, whole)}
        for name, number in counted
    ]


def _top(found: list[downloads.Installed]) -> list[dict[str, Any]]:
    """The projects with their numbers, and how long their bars are: percent of the first."""
    most = found[0].count if found else 0
    return [
        {"name": one.name, "label": one.display_name, "number": one.count, "percent": percent(one.count, most)}
        for one in found
    ]
