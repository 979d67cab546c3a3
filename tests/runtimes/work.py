# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
import time


def spin(n):
    return sum(i * i for i in range(n))


def b(n):
    return spin(n) + 1


def a(n):
    return b(n) + 1


end = time.time() + 1
while time.time() < end:
    a(20000)
