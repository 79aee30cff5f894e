#!/usr/bin/env python3
"""Makes day.csv: the CPU of one pod through a made-up working day, a point a minute.

It is nobody's data: a night, a steep morning, a dip at noon, a second peak in the afternoon and a smaller one in the
evening, with noise. The same numbers come out each time.

  python3 day.py > day.csv
"""

import math


def noise(minute):
    """A number from -1 to 1 that a minute always has."""
    bits = (minute * 2654435761 + 12345) & 0xFFFFFFFF
    bits = ((bits ^ (bits >> 15)) * 2246822519) & 0xFFFFFFFF
    bits = ((bits ^ (bits >> 13)) * 3266489917) & 0xFFFFFFFF
    return ((bits ^ (bits >> 16)) & 0xFFFF) / 32767.5 - 1


def peak(hour, at, width, height):
    return height * math.exp(-(((hour - at) / width) ** 2))


print("# One pod's CPU through a made-up working day, a point a minute. Made by day.py in testero's source.")
print("seconds,cpu_cores")
for minute in range(24 * 60):
    hour = minute / 60
    cores = 0.06 + peak(hour, 10.5, 2.2, 0.62) + peak(hour, 15, 2.4, 0.55) + peak(hour, 20.5, 1.6, 0.25)
    print(f"{minute * 60},{cores * (1 + 0.08 * noise(minute)):.3f}")
