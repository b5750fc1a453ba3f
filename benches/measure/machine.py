"""Where and of what a measurement was taken, for the heads of results."""

import os
import pathlib
import platform
import subprocess

from measure.servers import ROOT


def first_line(*command):
    """What a program says first, or nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    except OSError:
        return ""
    return (done.stdout.strip().splitlines() or [""])[0]


def commit():
    changed = first_line("git", "status", "--porcelain", "--untracked-files=no")
    return (first_line("git", "rev-parse", "--short", "HEAD") or "unknown") + (" with local changes" if changed else "")


def model():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def machine():
    load = "; ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{model()}, {os.cpu_count()} cores, Linux {platform.release()}; load at the end {load}"
